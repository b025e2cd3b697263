"""A linear layer with dropout over fixed vectors: the loop in a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tailorlm.objectives.labels import Labels
from tailorlm.training.job import Job, Score
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.settings import TrainSettings

ROWS, LABELS = 22, 3


class Toy:
    """Source of scores over `rows` vectors; `asked` keeps what was asked of it while it learns."""

    fingerprint = "toy"

    def __init__(self, rows: int = ROWS):
        random = torch.Generator().manual_seed(0)
        self.vectors = torch.randn(rows, 5, generator=random)
        self.codes = torch.randint(0, LABELS, (rows,), generator=random).numpy()
        self.module = nn.Sequential(nn.Dropout(0.2), nn.Linear(5, LABELS))
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random))
        self.lengths: Sequence[int] = [1 + i % 7 for i in range(rows)]
        self.sizes: Sequence[int] = [1] * rows
        self.asked: list[list[int]] = []

    def scores(self, index: Sequence[int]) -> Tensor:
        if self.module.training:
            self.asked.append(list(index))
        return self.module(self.vectors[list(index)])

    def weights(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.module.named_parameters()}


def job(source: Toy, objective: Any = None, lr: float = 0.05, seed: int = 0, **changes: Any) -> Job:
    names = [name for name, _ in source.module.named_parameters()]
    ids = [f"r{i}" for i in range(len(source.codes))]
    made = TrainSettings(**({"epochs": 5, "rows_per_step": 4} | changes))
    lesson = LabelLesson(source, objective or Labels(Labels.Settings()), source.codes)
    return Job(lesson, names, ids, made, lr, seed)


def scripted(values: Sequence[float], losses: Sequence[float] | None = None) -> Callable[[], Score]:
    left = iter(zip(values, losses or [1.0] * len(values), strict=True))
    return lambda: Score(*next(left))
