"""The order of rows: a function of seed, pass and lengths alone, so that a run can be repeated and continued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

# Rows shuffled together are sorted by length within windows of this many steps: little padding, order still random.
WINDOW = 16


@dataclass(frozen=True)
class SeededOrder:
    """Which rows make each optimiser step of each pass.

    Every pass shuffles the rows, sorts windows of `WINDOW` steps by length, cuts them into steps and shuffles the steps. A step has
    exactly `rows_per_step` rows (the last may have fewer); with `tokens_per_step` as many rows as stay within so many
    tokens (one row may exceed it).
    """

    lengths: Sequence[int]
    rows_per_step: int
    seed: int
    tokens_per_step: int | None = None

    def steps(self, epoch: int) -> Sequence[list[int]]:
        """Row indices of every step of pass `epoch` (from 0)."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(len(self.lengths))
        lengths = np.asarray(self.lengths)
        ordered, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part in self._windows(rows, lengths):
            ordered.append(part[np.argsort(-lengths[part], kind="stable")])
            sizes.append(self._sizes(lengths[ordered[-1]]))
        steps = _Steps(np.concatenate(ordered), np.concatenate(sizes))
        steps.turn = random.permutation(len(steps))
        return steps

    def total(self, epochs: int) -> int:
        """Steps of so many passes."""
        if self.tokens_per_step is None:
            return epochs * -(-len(self.lengths) // self.rows_per_step)
        return sum(len(self.steps(epoch)) for epoch in range(epochs))

    def _windows(self, rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        if self.tokens_per_step is None:
            window = WINDOW * self.rows_per_step
            return [rows[start : start + window] for start in range(0, len(rows), window)]
        ends = np.cumsum(lengths[rows]) // (WINDOW * self.tokens_per_step)
        return np.split(rows, np.flatnonzero(np.diff(ends)) + 1)

    def _sizes(self, lengths: np.ndarray) -> np.ndarray:
        """Rows of each step that these rows are cut into."""
        if self.tokens_per_step is None:
            whole, rest = divmod(len(lengths), self.rows_per_step)
            return np.array([self.rows_per_step] * whole + [rest] * (rest > 0), dtype=np.int64)
        sizes = [0]
        inside = 0
        for length in lengths.tolist():
            if sizes[-1] and inside + length > self.tokens_per_step:
                sizes.append(0)
                inside = 0
            sizes[-1] += 1
            inside += length
        return np.array(sizes, dtype=np.int64)


class _Steps(Sequence[list[int]]):
    """The steps of a pass as one array of rows: lists are made when they are asked for, so that a million rows take 16 MB."""

    def __init__(self, rows: np.ndarray, sizes: np.ndarray):
        self.rows, self.borders = rows, np.concatenate([[0], np.cumsum(sizes)])
        self.turn = np.arange(len(sizes))

    def __len__(self) -> int:
        return len(self.turn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, place: int) -> list[int]: ...

    @overload
    def __getitem__(self, place: slice) -> list[list[int]]: ...

    def __getitem__(self, place: int | slice) -> list[int] | list[list[int]]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        step = self.turn[place]
        rows: list[int] = self.rows[self.borders[step] : self.borders[step + 1]].tolist()
        return rows


def micro_batches(index: Sequence[int], lengths: Sequence[int], budget: int, *, padded: bool = True) -> list[list[int]]:
    """Cut one step into parts whose size stays within `budget` tokens; one row may exceed it.

    padded: a part's size is rows x longest; otherwise its rows are computed one behind the other and it is their sum.
    """
    parts: list[list[int]] = [[]]
    longest = total = 0
    for i in index:
        longest, total = max(longest, lengths[i]), total + lengths[i]
        if parts[-1] and ((len(parts[-1]) + 1) * longest if padded else total) > budget:
            parts.append([])
            longest = total = lengths[i]
        parts[-1].append(i)
    return parts
