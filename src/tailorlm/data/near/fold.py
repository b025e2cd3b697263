"""Texts folded to arrays of code points: `quality.normalised` for many texts at once.

Folding one text after the other is what near-duplicate search would spend most of its time on. Here a table says what
becomes of each character, so that numpy folds thousands of texts in one pass; the few texts in which characters act
on each other (combining marks, ligatures, Hangul letters) go through `normalised` itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.quality import normalised

Codes = NDArray[np.uint32]
Offsets = NDArray[np.int64]

_CODE = 0x1FFFFF  # the bits of a code point
_DIGIT = 1 << 24
# What a character becomes when it does not become one character: a border, nothing, something to be settled by hand.
_BLANK, _GONE, _HARD, _UNKNOWN = 1 << 25, (1 << 25) + 1, (1 << 25) + 2, (1 << 25) + 3
_SPACE = 32
_table: Codes = np.full(0x110000, _UNKNOWN, np.uint32)


class Flat(NamedTuple):
    """Texts end to end: `codes` (m,) uint32; text i is `codes[starts[i]:starts[i + 1]]`, so `starts` is (n + 1,)."""

    codes: Codes
    starts: Offsets


def raw(texts: Sequence[str]) -> Flat:
    """The code points of the texts as they stand (lone surrogates too)."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    # A pair of lone surrogates that met at a border of two texts stays two code points in this encoding.
    return Flat(codes, _starts(lengths))


def fold(texts: Sequence[str], flat: Flat | None = None) -> Flat:
    """The code points of `normalised(text)` for every text, to the letter. flat: `raw(texts)`, where it is at hand."""
    codes, starts = flat or raw(texts)
    mapped = _mapped(codes)
    kept = mapped < _BLANK
    places = np.flatnonzero(kept)
    values = mapped[places]
    counts = np.diff(np.concatenate(([0], np.cumsum(kept)))[starts])
    gaps = _blanks_between_digits(mapped, starts, places, values)
    if gaps.size:
        counts += np.bincount(_row_of(starts, places[gaps]), minlength=len(counts))
        values = np.insert(values, gaps + 1, _SPACE)
    folded = Flat(values & np.uint32(_CODE), _starts(counts))
    # A text of which nothing is left keeps its punctuation, which `normalised` knows.
    by_hand = np.union1d(_row_of(starts, np.flatnonzero(mapped == _HARD)), np.flatnonzero(counts == 0))
    return _replaced(folded, {int(i): normalised(texts[i]) for i in by_hand}) if by_hand.size else folded


def _mapped(codes: Codes) -> Codes:
    mapped = _table[codes]
    unknown = mapped == _UNKNOWN
    if unknown.any():
        for code in np.unique(codes[unknown]).tolist():
            _table[code] = _becomes(code)
        mapped = _table[codes]
    return mapped


def _becomes(code: int) -> int:
    """What one character becomes, wherever it stands."""
    char = chr(code)
    between = normalised(f"1{char}1")
    if between in ("1 1", "11"):
        return _BLANK if between == "1 1" else _GONE
    inner = between[1:-1]
    if len(inner) != 1 or _acts_on_neighbours(char) or _acts_on_neighbours(inner):
        return _HARD
    return ord(inner) | (_DIGIT if inner.isdecimal() else 0)


def _acts_on_neighbours(char: str) -> bool:
    """Whether a character may be composed with the one before it: marks, the letters of Hangul and of Kirat Rai."""
    code = ord(char)
    jamo = 0x1100 <= code <= 0x11FF or 0xA960 <= code <= 0xA97F or 0xD7B0 <= code <= 0xD7FF
    return unicodedata.category(char)[0] == "M" or jamo or 0x16D60 <= code <= 0x16D7F


def _blanks_between_digits(mapped: Codes, starts: Offsets, places: Offsets, values: Codes) -> Offsets:
    """The kept characters (positions in `values`) behind which a blank stays: two digits of one text, a break between."""
    digit = values >= _DIGIT
    found: Offsets = np.flatnonzero(digit[:-1] & digit[1:] & (np.diff(places) > 1))
    if not found.size:
        return found
    blanks = np.cumsum(mapped == _BLANK)
    left, right = places[found], places[found + 1]
    real: NDArray[np.bool_] = (blanks[left] < blanks[right]) & (_row_of(starts, left) == _row_of(starts, right))
    return np.asarray(found[real])


def _replaced(flat: Flat, texts: dict[int, str]) -> Flat:
    codes, starts = flat
    lengths = np.diff(starts)
    parts, done = [], 0
    for i, text in texts.items():  # rising
        own = raw([text]).codes
        parts += [codes[done : starts[i]], own]
        done = int(starts[i + 1])
        lengths[i] = own.size
    return Flat(np.concatenate([*parts, codes[done:]]), _starts(lengths))


def _row_of(starts: Offsets, places: Offsets) -> Offsets:
    rows: Offsets = np.searchsorted(starts, places, side="right") - 1
    return rows


def _starts(lengths: Offsets) -> Offsets:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
