"""A model of bytes by counting, to set the starter beside: each byte after its last n, interpolated as Witten and Bell (1991) do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def bits_per_byte(train: Iterable[str], held_out: Iterable[str], order: int = 6) -> float:
    """Mean bits of each byte of the held-out texts, from counts of up to `order` bytes of the train texts (at most 8)."""
    known, asked = _bytes(train), _bytes(held_out)
    chance = np.full(len(asked), 1 / 256)
    for n in range(1, order + 1):
        grams, counts = np.unique(_grams(known, n), return_counts=True)
        # Sorted, the grams of one history lie together: how often it was met, and how many different bytes followed it.
        starts = np.flatnonzero(np.r_[True, (grams[1:] >> 8) != (grams[:-1] >> 8)])
        histories, met = grams[starts] >> 8, np.add.reduceat(counts, starts)
        kinds = np.diff(np.r_[starts, len(grams)])
        ours = _grams(asked, n)
        history = np.minimum(np.searchsorted(histories, ours >> 8), len(histories) - 1)
        there = histories[history] == ours >> 8
        place = np.minimum(np.searchsorted(grams, ours), len(grams) - 1)
        count = np.where(grams[place] == ours, counts[place], 0)
        mixed = (count + kinds[history] * chance) / (met[history] + kinds[history])
        chance = np.where(there, mixed, chance)
    return float(-np.log2(chance).mean())


def _bytes(texts: Iterable[str]) -> np.ndarray:
    return np.frombuffer("\0".join(texts).encode(), dtype=np.uint8)


def _grams(data: np.ndarray, n: int) -> np.ndarray:
    """The last n bytes up to each place, as one number; zeros stand before the beginning."""
    found = np.zeros(len(data), dtype=np.uint64)
    for back in range(n):
        shifted = np.zeros(len(data), dtype=np.uint64)
        shifted[back:] = data[: len(data) - back]
        found |= shifted << np.uint64(8 * back)
    return found
