"""Rows of several lessons in the same steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Order
from tailorlm.training.lesson import Lesson
from tailorlm.training.order import SeededOrder


class Mixture:
    """Several lessons over the same model as one: the rows of each come behind those of the lessons before it.

    Within a lesson a label weighs as much as another; between lessons the mean row of each weighs as much as the first's mean row, times the
    lesson's strength, however many labels its rows are learnt from. strengths: of the lessons behind the first. module: what holds all their
    parameters; the first's without it.
    """

    def __init__(self, lessons: Sequence[Lesson], strengths: Sequence[float] = (), module: nn.Module | None = None):
        self.lessons, self.strengths = lessons, [1.0, *(strengths or [1.0] * (len(lessons) - 1))]
        self.module: nn.Module = module or lessons[0].module
        self.padded = any(lesson.padded for lesson in lessons)
        self.borders = np.cumsum([0, *(len(lesson.lengths) for lesson in lessons)])
        self._count()
        told = " ".join(["mixture", *(lesson.fingerprint for lesson in lessons), str(self.strengths)])
        self.fingerprint = hashlib.sha256(told.encode()).hexdigest()

    def begin(self, epoch: int) -> None:
        """Pass `epoch` begins for all."""
        for lesson in self.lessons:
            lesson.begin(epoch)
        self._count()

    def _count(self) -> None:
        means = [sum(lesson.counts) / max(1, len(lesson.counts)) for lesson in self.lessons]
        usual = max(1, round(means[0]))
        self.lengths: Sequence[int] = [length for lesson in self.lessons for length in lesson.lengths]
        first, *others = self.lessons
        counts = [*first.counts]
        for lesson in others:
            counts += [usual if count else 0 for count in lesson.counts]
        self.counts: Sequence[int] = counts
        pairs = zip(self.strengths[1:], means[1:], strict=True)
        self.factors = [1.0, *(strength * usual / max(mean, 1e-9) for strength, mean in pairs)]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,)."""
        whose = np.searchsorted(self.borders, index, side="right") - 1
        places, parts = [], []
        for number, (lesson, factor) in enumerate(zip(self.lessons, self.factors, strict=True)):
            mine = np.flatnonzero(whose == number)
            if len(mine):
                rows = [index[place] - int(self.borders[number]) for place in mine.tolist()]
                places.append(mine)
                parts.append(lesson.losses(rows) if factor == 1 else lesson.losses(rows) * factor)
        back = torch.from_numpy(np.argsort(np.concatenate(places))).to(parts[0].device)
        return torch.cat(parts)[back]


@dataclass(frozen=True)
class Mixed:
    """The steps of an order over `border` rows, with rows of `others` others put in so that they are `share` of all.

    Every one of them comes before any comes twice in a pass; which come is a function of seed and pass.
    """

    order: Order
    border: int
    others: int
    share: float
    seed: int

    def steps(self, epoch: int) -> Sequence[list[int]]:
        """Row indices of every step of pass `epoch`."""
        random = np.random.default_rng([self.seed, epoch, 1])
        waiting: list[int] = []
        made, owed = [], 0.0
        for step in self.order.steps(epoch):
            owed += len(step) * self.share / (1 - self.share)
            count = int(owed + 1e-9)
            owed -= count
            while len(waiting) < count:
                waiting += (self.border + random.permutation(self.others)).tolist()
            made.append([*step, *waiting[:count]])
            waiting = waiting[count:]
        return made

    def total(self, epochs: int) -> int:
        """Steps of so many passes."""
        return self.order.total(epochs)


@dataclass(frozen=True)
class Draws:
    """The steps of rows of several lessons that stand behind one another, each lesson with its own number of draws a pass.

    lengths: of all rows. sizes: rows of each lesson. counts: draws of each in a pass. Every row of a lesson comes before any comes again, over passes
    too; rows of all lessons are shuffled together and cut into steps as `SeededOrder` does it. A function of seed and pass.
    """

    lengths: Sequence[int]
    sizes: Sequence[int]
    counts: Sequence[int]
    rows_per_step: int
    seed: int
    tokens_per_step: int | None = None

    def steps(self, epoch: int) -> Sequence[list[int]]:
        """Row indices of every step of pass `epoch`."""
        drawn = self._drawn(epoch)
        return [[int(drawn[place]) for place in step] for step in self._order(drawn).steps(epoch)]

    def total(self, epochs: int) -> int:
        """Steps of so many passes."""
        if self.tokens_per_step is None:
            return epochs * -(-sum(self.counts) // self.rows_per_step)
        return sum(len(self._order(self._drawn(epoch)).steps(epoch)) for epoch in range(epochs))

    def _order(self, drawn: np.ndarray) -> SeededOrder:
        return SeededOrder([self.lengths[i] for i in drawn], self.rows_per_step, self.seed, self.tokens_per_step)

    def _drawn(self, epoch: int) -> np.ndarray:
        """The rows of a pass: of each lesson the next stretch of an endless sequence of shuffles."""
        found, border = [], 0
        for number, (size, count) in enumerate(zip(self.sizes, self.counts, strict=True)):
            first, last = epoch * count // size, max(0, (epoch + 1) * count - 1) // size
            shuffles = [
                np.random.default_rng([self.seed, number, turn, 2]).permutation(size) for turn in range(first, last + 1)
            ]
            begin = epoch * count - first * size
            found.append(border + np.concatenate(shuffles)[begin : begin + count])
            border += size
        return np.concatenate(found)


def of_rows(order: Order | None) -> bool:
    """Whether an order's rows are the same ones in every pass, so that each has a name and others can come between them. None is the usual order."""
    return order is None or isinstance(order, Mixed | Draws)


class KeptVectors:
    """Texts whose vectors are to stay where they are: 1 - cosine with what they were when this was made, a text."""

    padded = True

    def __init__(self, model: TextModel, readings: Readings, before: np.ndarray):
        self.module: nn.Module = model
        self.model, self.readings = model, readings
        self.before = torch.from_numpy(before).to(model.device)
        self.lengths: Sequence[int] = readings.lengths
        self.counts: Sequence[int] = [1] * len(readings)
        content = hashlib.sha256(f"kept vectors {readings.fingerprint} ".encode() + before.tobytes())
        self.fingerprint = content.hexdigest()

    def begin(self, epoch: int) -> None:
        """Every pass keeps the same."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these texts, (texts,)."""
        vectors = self.model.pool(**self.model.batch(self.readings.select(index)))
        kept = self.before[torch.tensor(list(index), device=self.before.device)]
        return 1 - nn.functional.cosine_similarity(vectors, kept, dim=-1)
