"""n-grams of words and characters as numbers, for many texts at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.audit.words import stands_alone

Ints: TypeAlias = NDArray[np.int32]
_Hashes: TypeAlias = NDArray[np.uint64]

BITS = 18
BUCKETS = 2 ** (BITS + 1)
"""Words in the first half, characters in the second."""

_LETTERS = 1_000
"""Characters of a text that character n-grams are taken from; words are taken from all of it."""
_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_POWERS = np.cumprod(np.full(256, _A, dtype=np.uint64))
_BLANK, _INSIDE, _ALONE = 0, 1, 2


def ngrams(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """(m,) row and (m,) bucket (below `BUCKETS`) of every n-gram of `texts`, lower-cased; repeats stand repeatedly.

    Words and pairs of words, and 3 to 5 characters within a word with the blanks around it. A sign of a script without
    blanks is a word. Any string will do, lone surrogates too. Memory: some 100 bytes a character while it runs, so give
    it blocks. The numbers are the same on every machine and in every run.
    """
    framed = [f" {text.lower()} " for text in texts]
    joined = "".join(framed)
    signs = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) for text in framed], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    kinds = _kinds(signs)
    words = _words(signs, kinds, rows)
    places = np.arange(len(signs)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    near = places < _LETTERS
    characters = _characters(signs[near], kinds[near], rows[near])
    found_rows = np.concatenate([words[0], characters[0]])
    buckets = np.concatenate([_bucket(words[1]), _bucket(characters[1]) + 2**BITS])
    return found_rows, buckets.astype(np.int32)


def _kinds(signs: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """What each sign is, decided once for each that occurs: blank or mark, part of a word, or a word by itself."""
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in np.flatnonzero(np.bincount(signs, minlength=1)):
        sign = chr(code)
        if stands_alone(sign):
            table[code] = _ALONE
        elif not sign.isspace():
            table[code] = _INSIDE if sign.isalnum() else 3
    return table[signs]


def _words(signs: NDArray[np.uint32], kinds: NDArray[np.uint8], rows: Ints) -> tuple[Ints, _Hashes]:
    part = (kinds == _INSIDE) | (kinds == _ALONE)
    # A word begins where a part follows no part of the same word.
    goes_on = np.zeros(len(signs), dtype=bool)
    goes_on[1:] = (kinds[1:] == _INSIDE) & (kinds[:-1] == _INSIDE)
    starts = np.flatnonzero(part & ~goes_on)
    if not len(starts):
        return np.zeros(0, np.int32), np.zeros(0, np.uint64)
    begin = np.zeros(len(signs), dtype=np.int64)
    begin[starts] = starts
    place = np.arange(len(signs)) - np.maximum.accumulate(begin)
    terms = np.where(part, (signs.astype(np.uint64) + _B) * _POWERS[place % len(_POWERS)], np.uint64(0))
    singles, owners = np.add.reduceat(terms, starts), rows[starts]
    together = owners[1:] == owners[:-1]
    pairs = (singles[:-1] * _B + singles[1:])[together]
    return np.concatenate([owners, owners[1:][together]]), np.concatenate([singles, pairs])


def _characters(signs: NDArray[np.uint32], kinds: NDArray[np.uint8], rows: Ints) -> tuple[Ints, _Hashes]:
    blank = kinds == _BLANK
    blanks = np.concatenate([[0], np.cumsum(blank)])
    values = np.where(blank, np.uint64(32), signs.astype(np.uint64)) + _B
    all_rows, all_hashes = [], []
    for n in (3, 4, 5):
        last = len(signs) - n + 1
        if last <= 0:
            break
        hashes = np.full(last, np.uint64(n))
        for k in range(n):
            hashes = hashes * _A + values[k : last + k]
        start = np.arange(last)
        inner = blanks[start + n - 1] - blanks[start + 1]  # blanks between the first and the last sign
        kept = (inner == 0) & (rows[:last] == rows[n - 1 :])
        all_rows.append(rows[:last][kept])
        all_hashes.append(hashes[kept])
    if not all_rows:
        return np.zeros(0, np.int32), np.zeros(0, np.uint64)
    return np.concatenate(all_rows), np.concatenate(all_hashes)


def _bucket(hashes: _Hashes) -> NDArray[np.int64]:
    mixed = (hashes ^ (hashes >> np.uint64(29))) * _B
    return ((mixed ^ (mixed >> np.uint64(32))) & np.uint64(2**BITS - 1)).astype(np.int64)
