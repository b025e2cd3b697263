"""The true Jaccard similarity of candidate pairs, from their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError
from tailorlm.data.near.shingles import Hashed, Hashes, Shingles
from tailorlm.data.near.sketches import portions as text_portions
from tailorlm.data.quality import normalised

Fetch = Callable[[Sequence[int]], Sequence[str]]
"""Gives the texts of rows (indices rising, each once), in the same order; it may read them from a file."""

_NONE = np.zeros(0, np.uint64)
_PAIRS = 1024
_BITS = np.uint64(50)  # of a hash; the 14 above name one of 8,192 texts, or of 1,024 pairs
_CHARACTERS = 2_000_000


def portions(pairs: NDArray[np.int64], lengths: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """Pairs in portions that fit in memory together. pairs: (k, 2) rows; lengths: characters (shingles) of every row."""
    if not len(pairs):
        return
    sizes = lengths[pairs].astype(np.int64).sum(axis=1).cumsum()
    at = 0
    while at < len(pairs):
        done = int(sizes[at - 1]) if at else 0
        end = max(at + 1, min(at + _PAIRS, int(np.searchsorted(sizes, done + _CHARACTERS, side="right"))))
        yield pairs[at:end]
        at = end


def fetched(fetch: Fetch, rows: NDArray[np.int64]) -> Sequence[str]:
    """The texts of the rows; a caller's function that gives another number of them is told so."""
    texts = fetch(rows.tolist())
    if len(texts) != rows.size:
        raise TailorError(
            "fetch(indices) must give one text for every index", got=f"{len(texts)} texts for {rows.size} indices"
        )
    return texts


def jaccard(texts: Sequence[str], pairs: NDArray[np.int64], shingles: Shingles) -> NDArray[np.float64]:
    """The Jaccard similarity of the shingle sets of each pair, (k,). pairs: (k, 2) places in `texts`.

    Shingles are compared as hashes of 50 bits. Two texts without any shingle are alike in nothing (0.0). Where a text has
    over two million characters, all are compared on a part of their shingles, chosen by hash (a standard error of 0.002
    at most for texts of that length). Memory: 8 bytes a shingle of the texts, and some 100 MB at most beside.
    """
    if not len(pairs):
        return np.zeros(0)
    hashes, sizes = sets_of(texts, shingles)
    begins = np.cumsum(sizes) - sizes
    shared = [_shared(hashes, begins[part], sizes[part]) for part in portions(pairs, sizes)]
    both = np.concatenate(shared)
    similar: NDArray[np.float64] = both / np.maximum(sizes[pairs].sum(axis=1) - both, 1)
    return similar


def _shared(hashes: Hashes, begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many shingles each pair shares, (k,). begins, sizes: (k, 2), where its two sets stand in `hashes`."""
    flat = sizes.ravel()
    places = np.arange(int(flat.sum())) + np.repeat(begins.ravel() - (np.cumsum(flat) - flat), flat)
    # Both sets of every pair end to end, named by the pair: what stands there twice is shared.
    named = np.repeat(np.arange(len(sizes)), sizes.sum(axis=1)).astype(np.uint64) << _BITS | hashes[places]
    named.sort()
    twice = named[1:][named[1:] == named[:-1]]
    return np.bincount((twice >> _BITS).astype(np.int64), minlength=len(sizes))


def sets_of(texts: Sequence[str], shingles: Shingles) -> tuple[Hashes, NDArray[np.int64]]:
    """The shingle sets of all texts end to end, each rising, and how large each is, (n,). Hashes of 50 bits."""
    longest = max(map(len, texts), default=0)
    thin = np.uint64((1 << (longest // _CHARACTERS).bit_length()) - 1)
    sets, sizes = [], []
    for part in text_portions(texts):
        hashes, starts, counts = _thinned(part, shingles, thin) if thin else shingles.hashes(part)
        rows = np.repeat(np.arange(len(part)), counts)
        own = hashes[np.arange(rows.size) + np.repeat(starts - (np.cumsum(counts) - counts), counts)]
        keys = rows.astype(np.uint64) << _BITS | own >> (np.uint64(64) - _BITS)
        keys.sort()
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if keys.size else keys
        sets.append(keys & ((np.uint64(1) << _BITS) - np.uint64(1)))
        sizes.append(np.bincount((keys >> _BITS).astype(np.int64), minlength=len(part)))
    return np.concatenate(sets), np.concatenate(sizes)


def _thinned(texts: Sequence[str], shingles: Shingles, thin: np.uint64) -> Hashed:
    kept = []
    for text in texts:
        pieces = shingles.pieces(text, normalised(text))
        kept.append(np.concatenate([_NONE, *(own.hashes[(own.hashes & thin) == 0] for own in pieces)]))
    counts = np.array([own.size for own in kept])
    return Hashed(np.concatenate(kept), np.cumsum(counts) - counts, counts)
