"""A lesson over two domains: labelled rows of one, with texts of the other drawn near them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel
from tailorlm.tasks.base import Target
from tailorlm.tasks.readings import Readings
from tailorlm.training.beside import Beside
from tailorlm.training.lesson import Objective

HIDDEN = 64


class DomainObjective(Protocol):
    """The task's loss, and what is added to it."""

    settings: Any
    labels: Objective

    def weight(self, epoch: int) -> float:
        """Weight of the distance in pass `epoch`."""

    def distance(self, source: Tensor, target: Tensor) -> Tensor:
        """Distance of two samples of vectors."""


class DomainLesson:
    """Draws of `rows` labelled readings and as many of the target, others in every pass; each draw is one row to the loop, which never cuts it.

    A distance between samples depends on all of them, so that a step's loss would change with where it is cut. counts: labels of a draw. The loss
    of a draw is the task's, summed over its labels, plus the distance times their number. made: names in `module` of a classifier of domains
    that learns besides, where one does.
    """

    padded = True

    def __init__(
        self,
        model: TextModel,
        source: Readings,
        targets: Sequence[np.ndarray],
        target: Readings,
        objective: DomainObjective,
        *,
        kind: Target,
        rows: int,
        seed: int,
    ):
        if len(source) < 2 or len(target) < 2:
            raise TailorError(
                "a distance between domains needs two texts of each", got=f"{len(source)} and {len(target)}"
            )
        self.model, self.source, self.target, self.objective = model, source, target, objective
        self.kind, self.rows, self.seed = kind, max(2, min(rows, len(source))), seed
        self.targets = [np.atleast_1d(row) for row in targets]
        self.tells = _tells(model, seed) if objective.settings.kind == "adversarial" else None
        beside = Beside(model, {"tells": self.tells} if self.tells is not None else {})
        self.module: nn.Module = beside
        self.made = beside.made
        told = f"domains {source.fingerprint} {target.fingerprint} {self.rows} {seed} {objective.settings!r} "
        self.fingerprint = hashlib.sha256(told.encode() + b"".join(row.tobytes() for row in self.targets)).hexdigest()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the rows and texts of pass `epoch` (from 0)."""
        random = np.random.default_rng([self.seed, epoch])
        self.weight = self.objective.weight(epoch)
        count = max(1, len(self.source) // self.rows)  # what is left over joins the draws before it
        self.draws = [part.tolist() for part in np.array_split(random.permutation(len(self.source)), count)]
        needed = sum(map(len, self.draws))
        passes = [random.permutation(len(self.target)) for _ in range(-(-needed // len(self.target)))]
        drawn = np.concatenate(passes)[:needed]
        self.drawn = [part.tolist() for part in np.split(drawn, np.cumsum([len(d) for d in self.draws])[:-1])]
        self.counts: Sequence[int] = [sum(len(self.targets[i]) for i in draw) for draw in self.draws]
        near, far = self.source.lengths, self.target.lengths  # a list over all rows each time they are asked for
        self.lengths: Sequence[int] = [
            sum(near[i] for i in mine) + sum(far[i] for i in theirs)
            for mine, theirs in zip(self.draws, self.drawn, strict=True)
        ]

    @property
    def names(self) -> list[str]:
        """A name for each draw."""
        return [f"draw {number + 1} of a pass" for number in range(len(self.draws))]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these draws, (draws,), in nats."""
        return torch.stack([self._loss(self.draws[i], self.drawn[i]) for i in index])

    def _loss(self, mine: list[int], theirs: list[int]) -> Tensor:
        model = self.model
        near = model.vectors(**model.batch(self.source.select(mine)))
        far = model.vectors(**model.batch(self.target.select(theirs)))
        assert model.head is not None
        wanted = np.concatenate([self.targets[i] for i in mine])
        task = self.objective.labels.losses(
            model.head(near),
            torch.from_numpy(wanted).to(near.device),
            self.kind,
            torch.ones(len(mine), dtype=torch.long),
        ).sum()
        if self.tells is None:
            return task + len(wanted) * self.weight * self.objective.distance(near, far)
        return task + len(wanted) * _told_apart(self.tells, near, far, self.weight)


def _tells(model: TextModel, seed: int) -> nn.Module:
    """A classifier of domains that knows nothing yet."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(model.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)).to(model.device)


def _told_apart(tells: nn.Module, near: Tensor, far: Tensor, strength: float) -> Tensor:
    """Mean loss of telling two samples apart; what gave the vectors gets the opposite of its gradient, times strength."""
    reversed_: Tensor = _Reversed.apply(torch.cat([near, far]), strength)  # type: ignore[no-untyped-call]
    domain = torch.cat([torch.zeros(len(near)), torch.ones(len(far))]).to(near.device)
    return nn.functional.binary_cross_entropy_with_logits(tells(reversed_)[:, 0], domain)


class _Reversed(torch.autograd.Function):
    """The same forward; backward the gradient times -strength."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * slope, None
