"""Rows of one lesson mixed into the steps of another."""

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


class Mixture:
    """Two lessons over the same model as one: the rows of the second come behind those of the first.

    A row of the second counts as `strength` labels of the first's mean row, however many labels of its own it is learnt from. The module is the
    first's: the second may teach no parameters of its own.
    """

    def __init__(self, first: Lesson, second: Lesson, strength: float = 1.0):
        self.first, self.second, self.strength = first, second, strength
        self.module: nn.Module = first.module
        self.padded = first.padded or second.padded
        self.border = len(first.lengths)
        self._count()
        self.fingerprint = hashlib.sha256(
            f"mixture {first.fingerprint} {second.fingerprint} {strength}".encode()
        ).hexdigest()

    def begin(self, epoch: int) -> None:
        """Pass `epoch` begins for both."""
        self.first.begin(epoch)
        self.second.begin(epoch)
        self._count()

    def _count(self) -> None:
        self.lengths: Sequence[int] = [*self.first.lengths, *self.second.lengths]
        self._usual = max(1, round(sum(self.first.counts) / max(1, len(self.first.counts))))
        self.counts: Sequence[int] = [*self.first.counts, *[self._usual] * len(self.second.lengths)]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,)."""
        mine = [place for place, row in enumerate(index) if row < self.border]
        theirs = [place for place, row in enumerate(index) if row >= self.border]
        parts = [self.first.losses([index[place] for place in mine])] if mine else []
        if theirs:
            rows = [index[place] - self.border for place in theirs]
            losses = self.second.losses(rows)
            counts = torch.tensor([max(1, self.second.counts[row]) for row in rows], device=losses.device)
            parts.append(losses * (self.strength * self._usual) / counts)
        back = torch.from_numpy(np.argsort([*mine, *theirs])).to(parts[0].device)
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


class HeadedSource:
    """Scores of another head than the model's own, which stays as it is, on the model's vectors. sizes: places of each row."""

    def __init__(self, model: TextModel, readings: Readings, head: nn.Module):
        self.module: nn.Module = model
        self.model, self.readings, self.head = model, readings, head.eval().requires_grad_(False)
        self.lengths: Sequence[int] = readings.lengths
        self.sizes: Sequence[int] = readings.sizes
        weights = b"".join(value.detach().cpu().numpy().tobytes() for value in head.state_dict().values())
        self.fingerprint = hashlib.sha256(readings.fingerprint.encode() + weights).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs), with gradients in the body."""
        scores: Tensor = self.head(self.model.vectors(**self.model.batch(self.readings.select(index))))
        return scores
