"""The order of rows: a function of seed, pass and lengths alone, so that a run can be repeated and continued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    def steps(self, epoch: int) -> list[list[int]]:
        """Row indices of every step of pass `epoch` (from 0)."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(len(self.lengths))
        lengths = np.asarray(self.lengths)
        steps = []
        for part in self._windows(rows, lengths):
            part = part[np.argsort(-lengths[part], kind="stable")]
            steps += self._cut(part.tolist(), lengths)
        return [steps[i] for i in random.permutation(len(steps))]

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

    def _cut(self, rows: list[int], lengths: np.ndarray) -> list[list[int]]:
        if self.tokens_per_step is None:
            return [rows[i : i + self.rows_per_step] for i in range(0, len(rows), self.rows_per_step)]
        steps: list[list[int]] = [[]]
        inside = 0
        for row in rows:
            if steps[-1] and inside + int(lengths[row]) > self.tokens_per_step:
                steps.append([])
                inside = 0
            steps[-1].append(row)
            inside += int(lengths[row])
        return steps


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
