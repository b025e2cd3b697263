"""The true Jaccard similarity of candidate pairs, from their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError
from tailorlm.data.near.shingles import Hashed, Shingles
from tailorlm.data.quality import normalised

Fetch = Callable[[Sequence[int]], Sequence[str]]
"""Gives the texts of rows (indices rising, each once), in the same order; it may read them from a file."""

_NONE = np.zeros(0, np.uint64)
_PAIRS = 1024
_CHARACTERS = 2_000_000


def portions(pairs: NDArray[np.int64], lengths: NDArray[np.uint32]) -> Iterator[NDArray[np.int64]]:
    """Pairs in portions whose texts fit in memory together. pairs: (k, 2) rows; lengths: characters of every row."""
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

    Shingles are compared as hashes of 50 bits and more, in portions as `portions` makes them. Two texts without any
    shingle are alike in nothing (0.0). Pairs with a text of over two million characters are compared on a part of their shingles,
    chosen by hash (50,000 at least; a standard error of 0.002 at most).
    """
    hashes, starts, counts = _hashed(texts, shingles)
    row_bits = np.uint64(64 - max(len(texts) - 1, 1).bit_length())
    rows = np.repeat(np.arange(len(texts)), counts)
    own = hashes[np.arange(rows.size) + np.repeat(starts - (np.cumsum(counts) - counts), counts)]
    keys = _unique((rows.astype(np.uint64) << row_bits) | (own >> (np.uint64(64) - row_bits)))
    rows = (keys >> row_bits).astype(np.int64)
    sizes = np.bincount(rows, minlength=len(texts))
    begins = np.cumsum(sizes) - sizes
    # Both sets of every pair end to end, named by the pair: what stands there twice is shared.
    both = sizes[pairs]
    flat = both.ravel()
    places = np.arange(int(flat.sum())) + np.repeat(begins[pairs].ravel() - (np.cumsum(flat) - flat), flat)
    pair_bits = np.uint64(64 - max(len(pairs) - 1, 1).bit_length())
    named = np.repeat(np.arange(len(pairs)), both.sum(axis=1)).astype(np.uint64) << pair_bits
    short = min(row_bits, pair_bits)
    inside = keys[places] & ((np.uint64(1) << row_bits) - np.uint64(1))
    named |= inside >> (row_bits - short)
    named.sort()
    twice = named[1:][named[1:] == named[:-1]]
    shared = np.bincount((twice >> pair_bits).astype(np.int64), minlength=len(pairs))
    union = both.sum(axis=1) - shared
    similar: NDArray[np.float64] = shared / np.maximum(union, 1)
    return similar


def _hashed(texts: Sequence[str], shingles: Shingles) -> Hashed:
    longest = max(map(len, texts), default=0)
    if longest <= _CHARACTERS:
        return shingles.hashes(texts)
    part = np.uint64((1 << (longest // _CHARACTERS).bit_length()) - 1)
    kept = [
        np.concatenate(
            [own.hashes[(own.hashes & part) == 0] for own in shingles.pieces(text, normalised(text))] or [_NONE]
        )
        for text in texts
    ]
    counts = np.array([own.size for own in kept])
    return Hashed(np.concatenate(kept), np.cumsum(counts) - counts, counts)


def _unique(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    keys.sort()
    return keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if keys.size else keys
