"""What a stage learns from: rows that give losses. The loop knows nothing else of models, tasks and objectives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.tasks.base import Target

# The code of a place at which nothing is asked (torch's own).
IGNORED = -100


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
    """Where scores come from: a model over tokens, or a head over vectors computed once.

    sizes: places that each row is read at. lengths: tokens computed for it.
    """

    module: nn.Module
    lengths: Sequence[int]
    sizes: Sequence[int]
    fingerprint: str

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs) of the rows with these indices, row after row, with gradients."""


class Objective(Protocol):
    """How scores and targets become losses."""

    def losses(
        self,
        scores: Tensor,
        targets: Tensor,
        target: Target = "one",
        sizes: Tensor | None = None,
        links: Tensor | None = None,
    ) -> Tensor:
        """scores: (places, outputs). targets: as `tasks.base.HeadTask.targets`, row after row. sizes: (rows,) places of each row; one each
        without it. links: the head's, where it is a chain. Returns the summed loss of each row, (rows,), nats."""


class LabelLesson:
    """Rows with right answers: a source of scores, an objective, and what the scores should be.

    targets: for each row as `tasks.base.HeadTask.targets`; or (rows,) codes where each row is read at one place. target: how scores
    and targets belong together.
    """

    def __init__(
        self, source: Source, objective: Objective, targets: Sequence[np.ndarray] | np.ndarray, target: Target = "one"
    ):
        self.source, self.objective, self.target = source, objective, target
        self.module: nn.Module = source.module
        self.padded = True
        self.lengths: Sequence[int] = source.lengths
        each = [np.atleast_1d(np.asarray(row)) for row in targets]
        self.counts: Sequence[int] = [int((row != IGNORED).sum()) if target == "one" else len(row) for row in each]
        device = next(source.module.parameters()).device
        self.targets = torch.from_numpy(np.concatenate(each)).to(device)
        self.borders = np.cumsum([0, *(len(row) for row in each)])
        content = hashlib.sha256(f"{type(objective).__name__} {target} {source.fingerprint} ".encode())
        for row in each:
            content.update(np.ascontiguousarray(row).tobytes())
        self.fingerprint = content.hexdigest()

    def begin(self, epoch: int) -> None:
        """Labels are the same in every pass."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats, summed over its labels."""
        scores = self.source.scores(index)
        places = np.concatenate([np.arange(self.borders[i], self.borders[i + 1]) for i in index])
        targets = self.targets[torch.from_numpy(places).to(self.targets.device)]
        sizes = torch.tensor([self.source.sizes[i] for i in index], device=scores.device)
        head = getattr(self.source, "head", None) or getattr(self.source.module, "head", None)
        links = getattr(head, "links", None)
        return self.objective.losses(scores, targets, self.target, sizes, links)
