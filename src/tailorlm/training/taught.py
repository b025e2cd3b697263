"""A lesson from a teacher: what it answers, beside or in place of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.base import Target
from tailorlm.tasks.readings import Readings
from tailorlm.training.beside import Beside
from tailorlm.training.lesson import Source


class TeacherObjective(Protocol):
    """How a student's scores and vectors become losses."""

    def losses(self, scores: Tensor, taught: Tensor, hard: Tensor, target: Target = "one") -> Tensor:
        """scores, taught: (rows, outputs). hard: (rows,) loss of the labels. Returns (rows,)."""

    def far(self, vectors: Tensor, taught: Tensor) -> Tensor:
        """vectors, taught: (rows, teacher's width). Returns (rows,)."""


class TaughtLesson:
    """Rows with a teacher's scores; the first of them have right answers too.

    source: the student's scores of all rows. targets: right answers of the first rows, as `LabelLesson` has them. taught: the teacher's
    scores of all, (rows, outputs). Each row is learnt from once a pass.
    """

    def __init__(
        self,
        source: Source,
        objective: TeacherObjective,
        targets: Sequence[np.ndarray],
        taught: np.ndarray,
        target: Target = "one",
    ):
        self.source, self.objective, self.target = source, objective, target
        self.module: nn.Module = source.module
        self.padded = True
        self.lengths: Sequence[int] = source.lengths
        self.counts: Sequence[int] = [1] * len(taught)
        device = next(source.module.parameters()).device
        self.taught = torch.from_numpy(np.asarray(taught, dtype=np.float32)).to(device)
        each = np.stack([np.atleast_1d(np.asarray(row)) for row in targets])
        self.targets = torch.from_numpy(each.reshape(len(each)) if target == "one" else each.reshape(len(each), -1))
        self.targets = self.targets.to(device)
        self.labels = Labels(Labels.Settings())
        content = hashlib.sha256(f"taught {target} {source.fingerprint} ".encode())
        for array in (taught, each):
            content.update(np.ascontiguousarray(array).tobytes())
        self.fingerprint = content.hexdigest()

    def begin(self, epoch: int) -> None:
        """A teacher says the same in every pass."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,)."""
        return self._losses(index, self.source.scores(index))

    def _losses(self, index: Sequence[int], scores: Tensor) -> Tensor:
        hard = scores.new_zeros(len(index))
        told = [place for place, i in enumerate(index) if i < len(self.targets)]
        if told:
            where = torch.tensor(told, device=scores.device)
            rows = torch.tensor([index[place] for place in told], device=scores.device)
            found = self.labels.losses(scores[where], self.targets[rows], self.target)
            hard = hard.index_add(0, where, found)
        return self.objective.losses(scores, self.taught[list(index)], hard, self.target)


class VectorsTaughtLesson(TaughtLesson):
    """The same, with the teacher's vectors, which a learned projection of the student's is drawn to.

    vectors: of the teacher, (rows, its width). made: names of the projection, which is dropped afterwards.
    """

    def __init__(
        self,
        source: Source,
        objective: TeacherObjective,
        targets: Sequence[np.ndarray],
        taught: np.ndarray,
        vectors: np.ndarray,
        *,
        student: tuple[TextModel, Readings],
        target: Target = "one",
    ):
        super().__init__(source, objective, targets, taught, target)
        self.model, self.readings = student
        self.wanted = torch.from_numpy(np.asarray(vectors, dtype=np.float32)).to(self.taught.device)
        self.projection = _projection(self.model.width, vectors.shape[1])
        self.module = beside = Beside(self.model, {"projection": self.projection})
        self.made = beside.made
        content = hashlib.sha256(self.fingerprint.encode() + np.ascontiguousarray(vectors).tobytes())
        self.fingerprint = content.hexdigest()

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,)."""
        assert self.model.head is not None
        vectors = self.model.vectors(**self.model.batch(self.readings.select(list(index))))
        found = self._losses(index, self.model.head(vectors))
        return found + self.objective.far(self.projection(vectors), self.wanted[list(index)])


def _projection(width: int, wanted: int) -> nn.Linear:
    """From vectors of one width to another; begins by leaving a vector as it is, where both are as wide."""
    made = nn.Linear(width, wanted)
    with torch.no_grad():
        nn.init.eye_(made.weight)
        made.bias.zero_()
    return made
