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

    Every pass shuffles the rows, sorts windows of `WINDOW` steps by length, cuts them into steps of exactly `rows_per_step`
    rows (the last may be smaller) and shuffles the steps.
    """

    lengths: Sequence[int]
    rows_per_step: int
    seed: int

    def steps(self, epoch: int) -> list[list[int]]:
        """Row indices of every step of pass `epoch` (from 0)."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(len(self.lengths))
        lengths = np.asarray(self.lengths)
        window = WINDOW * self.rows_per_step
        steps = []
        for start in range(0, len(rows), window):
            part = rows[start : start + window]
            part = part[np.argsort(-lengths[part], kind="stable")]
            steps += [part[i : i + self.rows_per_step].tolist() for i in range(0, len(part), self.rows_per_step)]
        return [steps[i] for i in random.permutation(len(steps))]


def micro_batches(index: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut one step into parts whose padded size (rows x longest) stays within `budget` tokens; one row may exceed it."""
    parts: list[list[int]] = [[]]
    longest = 0
    for i in index:
        longest = max(longest, lengths[i])
        if parts[-1] and (len(parts[-1]) + 1) * longest > budget:
            parts.append([])
            longest = lengths[i]
        parts[-1].append(i)
    return parts
