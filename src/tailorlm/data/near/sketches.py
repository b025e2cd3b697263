"""What near-duplicate search keeps of a text once it has been read: two hashes, its length and its signature."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.near.fold import fold, raw
from tailorlm.data.near.shingles import Hashes, Shingles, digests
from tailorlm.data.near.signatures import EMPTY, Signatures
from tailorlm.data.quality import normalised

T = TypeVar("T")
R = TypeVar("R")
_TEXTS, _CHARACTERS = 8192, 1_000_000
# Longer texts are worked through piece by piece: the arrays of a whole one would be forty times its size.
_LONG = 200_000


@dataclass(frozen=True, slots=True)
class Sketch:
    """n texts: `exact` and `folded` (n,) uint64 hashes, `lengths` (n,) uint32 characters, `signatures` (n, p) uint8.

    The lowest byte of every MinHash is kept: of two different ones, one in 256 is equal by chance, which adds a few
    candidates and costs a quarter of the memory. Sketches made on different machines go together (`Near.take`).
    """

    exact: Hashes
    folded: Hashes
    lengths: NDArray[np.uint32]
    signatures: NDArray[np.uint8]

    def pack(self) -> bytes:
        """As bytes, for another process or machine (little-endian)."""
        parts = (self.exact.astype("<u8"), self.folded.astype("<u8"), self.lengths.astype("<u4"), self.signatures)
        return b"".join([len(self.exact).to_bytes(8, "little"), *(part.tobytes() for part in parts)])

    @classmethod
    def unpack(cls, data: bytes) -> Sketch:
        """The sketch that `pack` wrote."""
        rows = int.from_bytes(data[:8], "little")
        wide = np.frombuffer(data, "<u8", 2 * rows, 8).astype(np.uint64, copy=False)
        lengths = np.frombuffer(data, "<u4", rows, 8 + 16 * rows).astype(np.uint32, copy=False)
        signatures = np.frombuffer(data, np.uint8, offset=8 + 20 * rows).reshape(rows, -1)
        return cls(wide[:rows], wide[rows:], lengths, signatures)


def sketch(texts: Sequence[str], signatures: Signatures) -> Sketch:
    """The sketch of texts, which depends on each text alone: neither on its neighbours nor on the portion it came in."""
    long = [i for i, text in enumerate(texts) if len(text) > _LONG]
    short = list(texts)
    for i in long:
        short[i] = ""
    flat = raw(short)
    folded = fold(short, flat)
    hashed = Shingles(signatures.shingle, signatures.unit).hashes(short, folded)
    exact, own, signed = digests(flat), digests(folded), signatures.of_hashed(hashed).astype(np.uint8)
    for i in long:
        exact[i] = _digest(texts[i])
        own[i], signed[i] = _long(texts[i], signatures)
    lengths = np.fromiter(map(len, texts), np.uint32, len(texts))
    return Sketch(exact, own, lengths, signed)


def portions(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists that are worth one call of numpy and need little memory."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if len(held) == _TEXTS or size >= _CHARACTERS:
            yield held
            held, size = [], 0
    if held:
        yield held


def stream(texts: Iterable[str], signatures: Signatures, workers: int) -> Iterator[Sketch]:
    """The sketches of a stream of texts in its order; with several workers (threads) a few portions are under way."""
    yield from in_order(lambda portion: sketch(portion, signatures), portions(texts), workers)


def in_order(job: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """The results of a job over items, in their order; with several workers as many items are under way, and no more."""
    if workers == 1:
        yield from map(job, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(job, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _digest(text: str) -> np.uint64:
    whole = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(whole, "little"))


def _long(text: str, signatures: Signatures) -> tuple[np.uint64, NDArray[np.uint8]]:
    """Digest and signature of one long text: the least over its pieces, which overlap by all but one unit of a shingle."""
    shingles = Shingles(signatures.shingle, signatures.unit)
    folded = normalised(text)
    own = _digest(folded)
    least = np.full(signatures.permutations, EMPTY, np.uint32)
    for piece in shingles.pieces(text, folded):
        np.minimum(least, signatures.of_hashed(piece)[0], out=least)
    return own, least.astype(np.uint8)
