"""A lesson in preferences: two answers to a prompt, and what each had been worth before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from tailorlm.models.mode import evaluating
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.run import batches
from tailorlm.training.language import NextTokens
from tailorlm.training.token_rows import TokenRows


class PreferenceObjective(Protocol):
    """How rises of two answers become a loss."""

    def losses(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """chosen, rejected: (pairs,) rises of log-probability. Returns (pairs,)."""


class PreferenceLesson:
    """Pairs of rows that share their prompt; the chosen ones come first in `rows`, the rejected ones behind them in the same order.

    start: (rows,) the loss of each row, summed over its answer's tokens, when the stage began (`losses_of`). Each pair is learnt from once a pass.
    """

    def __init__(
        self, losses: RowLosses, rows: TokenRows, start: Tensor, objective: PreferenceObjective, module: nn.Module
    ):
        self.both, self.objective, self.module = NextTokens(losses, rows, module), objective, module
        self.pairs, self.padded = len(rows) // 2, self.both.padded
        self.start = start
        self.names = rows.names[: self.pairs]
        lengths = rows.lengths
        self.lengths: Sequence[int] = (lengths[: self.pairs] + lengths[self.pairs :]).tolist()
        self.counts: Sequence[int] = [1] * self.pairs
        self.fingerprint = hashlib.sha256(f"preferences {self.both.fingerprint} {vars(objective)}".encode()).hexdigest()

    def begin(self, epoch: int) -> None:
        """Every pass learns the same pairs."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these pairs, (pairs,), in nats."""
        rows = [*index, *(self.pairs + i for i in index)]
        rise = self.start[rows].to(self.both.of.device) - self.both.losses(rows)
        return self.objective.losses(rise[: len(index)], rise[len(index) :])


@torch.no_grad()
def losses_of(losses: RowLosses, rows: TokenRows) -> Tensor:
    """The loss of each row as the model stands, without dropout, (rows,), summed over its learned tokens."""
    lesson = NextTokens(losses, rows)
    found = torch.zeros(len(rows))
    with evaluating(losses.model):
        for index in batches(lesson.lengths):
            found[index] = lesson.losses(index).float().cpu()
    return found
