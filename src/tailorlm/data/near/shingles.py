"""Shingles: the overlapping runs of characters or words by which near-duplicate texts are compared.

Two texts are as alike as the Jaccard similarity of their sets of shingles: shared shingles over all shingles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError
from tailorlm.data.near.fold import Codes, Flat, Offsets, fold, raw
from tailorlm.data.near.words import words

Unit = Literal["characters", "words"]
Hashes = NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_PIECE = 1 << 18
_STIR = np.uint64(0xD6E8FEB86659FD93)
# Fixed, and no setting: shingles of one program must always be equal to each other.
_FACTORS = np.random.default_rng(20240607).integers(1, 1 << 63, 1 << 16, np.uint64) << np.uint64(1) | np.uint64(1)
MOST = 64
"""The longest shingle."""


class Hashed(NamedTuple):
    """The shingles of n texts as hashes: text i has `hashes[starts[i]:starts[i] + counts[i]]`, repeats included.

    hashes: (m,) uint64, starts and counts: (n,). A text shorter than a shingle has one, the whole of it; a text of
    which folding leaves nothing has none.
    """

    hashes: Hashes
    starts: Offsets
    counts: Offsets


@dataclass(frozen=True, slots=True)
class Shingles:
    """How texts are cut: runs of `size` characters of the folded text, or of `size` words.

    Characters are taken from `quality.normalised(text)`, so case, punctuation and blanks do not count. Words are those
    of `near.words`. Choose 3 characters for rows of a sentence or two (one typing error spoils three shingles), 5 for
    paragraphs and documents (whose many short runs all texts share), words for long documents where spelling is sure.
    Raises UsageError for a size out of bounds or an unknown unit.
    """

    size: int = 3
    unit: Unit = "characters"

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MOST:
            raise UsageError("the size of a shingle is out of bounds", got=str(self.size), allowed=f"1 to {MOST}")
        if self.unit not in ("characters", "words"):
            raise UsageError("there is no such unit of shingles", got=str(self.unit), allowed="characters, words")

    def hashes(self, texts: Sequence[str], folded: Flat | None = None) -> Hashed:
        """The hashed shingles of every text. folded: `fold(texts)`, where it is at hand."""
        if self.unit == "words":
            units, starts = _word_hashes(texts)
        else:
            codes, starts = folded or fold(texts)
            units = codes.astype(np.uint64) + np.uint64(1)
        return self._runs(units, starts)

    def pieces(self, text: str, folded: str) -> Iterator[Hashed]:
        """The shingles of one long text, a part at a time (some shingles twice). folded: `normalised(text)`."""
        units = words(text) if self.unit == "words" else folded
        for at in range(0, max(len(units) - self.size + 1, min(len(units), 1)), _PIECE):
            part = units[at : at + _PIECE + self.size - 1]
            codes, starts = raw([part]) if isinstance(part, str) else raw(part)
            if isinstance(part, str):
                yield self._runs(codes.astype(np.uint64) + np.uint64(1), starts)
            else:
                yield self._runs(digests(Flat(codes, starts)), np.array([0, len(part)]))

    def sets(self, texts: Sequence[str]) -> list[frozenset[str]]:
        """The shingles of every text themselves: the plain definition, slow, to look at or to check against."""
        found = []
        for text, codes in zip(texts, _each(fold(texts)), strict=True):
            units = words(text) if self.unit == "words" else [chr(c) for c in codes.tolist()]
            runs = range(max(len(units) - self.size + 1, min(len(units), 1)))
            join = (" " if self.unit == "words" else "").join
            found.append(frozenset(join(units[i : i + self.size]) for i in runs))
        return found

    def _runs(self, units: Hashes, starts: Offsets) -> Hashed:
        lengths = np.diff(starts)
        begins = starts[:-1]
        if (short := (lengths > 0) & (lengths < self.size)).any():
            units, begins = _padded(units, begins, lengths, np.where(short, self.size, lengths))
        total = units.size - self.size + 1
        hashes = np.zeros(max(total, 0), np.uint64)
        part = np.empty_like(hashes)
        for i in range(self.size if total > 0 else 0):
            np.multiply(units[i : i + total], _FACTORS[i], out=part)
            hashes += part
        counts = np.where(lengths > 0, np.maximum(lengths - self.size + 1, 1), 0)
        return Hashed(stirred(hashes), begins, counts)


def stirred(values: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of the value; in place, one to one."""
    values ^= values >> np.uint64(32)
    values *= _STIR
    values ^= values >> np.uint64(29)
    values *= _ODD
    values ^= values >> np.uint64(32)
    return values


def digests(flat: Flat) -> Hashes:
    """One hash a text, (n,) uint64. Of a million different texts two are equal with a chance of 1 in 30 million."""
    codes, starts = flat
    lengths = np.diff(starts)
    places = np.arange(codes.size) - np.repeat(starts[:-1], lengths)
    values = _FACTORS[places & (_FACTORS.size - 1)]
    values *= codes.astype(np.uint64) + _ODD
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values)))[starts]
    return stirred(np.diff(sums) + lengths.astype(np.uint64) * _STIR)


def _word_hashes(texts: Sequence[str]) -> tuple[Hashes, Offsets]:
    cut = [words(text) for text in texts]
    counts = np.fromiter(map(len, cut), np.int64, len(cut))
    hashes = digests(raw([word for own in cut for word in own]))
    return hashes, np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def _padded(units: Hashes, begins: Offsets, lengths: Offsets, wanted: Offsets) -> tuple[Hashes, Offsets]:
    """Texts shorter than a shingle get zeros behind (no unit is zero), so that their one run ends with them."""
    moved = np.cumsum(wanted) - wanted
    wide = np.zeros(int(wanted.sum()), np.uint64)
    wide[np.arange(units.size) + np.repeat(moved - begins, lengths)] = units
    return wide, moved


def _each(flat: Flat) -> list[Codes]:
    return np.split(flat.codes, flat.starts[1:-1]) if flat.starts.size > 1 else []
