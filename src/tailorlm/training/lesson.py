"""What a stage learns from: rows that give losses. The loop knows nothing else of models, tasks and objectives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Lesson(Protocol):
    """Rows to learn from.

    module: what holds the parameters. lengths: tokens computed for each row. padded: whether rows computed together are filled up to the
    longest. counts: labels that each row is learnt from (one for a classified text, the answer's tokens for a completion).
    fingerprint: sha256 over everything that decides a loss but the weights.
    """

    module: nn.Module
    padded: bool
    lengths: Sequence[int]
    counts: Sequence[int]
    fingerprint: str

    def begin(self, epoch: int) -> None:
        """Pass `epoch` (from 0) begins, or is gone on with: time to draw what differs between passes, as a function of its number."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats, summed over its labels, with gradients."""


class Source(Protocol):
    """Where label scores come from: a model over token ids, or a head over vectors computed once."""

    module: nn.Module
    lengths: Sequence[int]
    fingerprint: str

    def scores(self, index: Sequence[int]) -> Tensor:
        """Label scores (rows, labels) of the rows with these indices, with gradients."""


class Objective(Protocol):
    """How scores and labels become losses."""

    def losses(self, scores: Tensor, codes: Tensor) -> Tensor:
        """scores: (rows, labels). codes: (rows,). Returns (rows,), nats."""


class LabelLesson:
    """One label a row: a source of scores, an objective, and the labels' codes, (rows,)."""

    def __init__(self, source: Source, objective: Objective, codes: np.ndarray):
        self.source, self.objective = source, objective
        self.module: nn.Module = source.module
        self.padded = True
        self.lengths: Sequence[int] = source.lengths
        self.counts: Sequence[int] = [1] * len(codes)
        self.codes = torch.from_numpy(codes).to(next(source.module.parameters()).device)
        content = hashlib.sha256(f"{type(objective).__name__} {source.fingerprint} ".encode())
        content.update(np.ascontiguousarray(codes, dtype=np.int64).tobytes())
        self.fingerprint = content.hexdigest()

    def begin(self, epoch: int) -> None:
        """Labels are the same in every pass."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats."""
        return self.objective.losses(self.source.scores(index), self.codes[list(index)])
