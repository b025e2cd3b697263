"""A lesson in pairs: what two rows' vectors should be to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.tasks.readings import Readings


class PairObjective(Protocol):
    """How pairs are drawn from labels, and how two vectors become a loss."""

    def draw(self, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of rows, (pairs, 2), and whether they are alike, (pairs,)."""

    def losses(self, first: Tensor, second: Tensor, alike: Tensor) -> Tensor:
        """first, second: (pairs, width). alike: (pairs,). Returns (pairs,)."""


class PairLesson:
    """Pairs of readings as the rows to learn from; each is learnt from once a pass.

    names: of the readings, from which those of the pairs are made. A reading that stands in several pairs of a part is computed once.
    """

    def __init__(self, model: TextModel, readings: Readings, codes: np.ndarray, objective: PairObjective, seed: int):
        self.module: nn.Module = model
        self.model, self.readings, self.objective = model, readings, objective
        self.padded = True
        self.pairs, alike = objective.draw(codes, seed)
        self.alike = torch.from_numpy(alike.astype(np.float32)).to(model.device)
        lengths = np.array(readings.lengths)
        self.lengths: Sequence[int] = lengths[self.pairs].sum(1).tolist()
        self.counts: Sequence[int] = [1] * len(self.pairs)
        content = hashlib.sha256(f"{type(objective).__name__} {readings.fingerprint} ".encode())
        content.update(np.ascontiguousarray(self.pairs).tobytes() + alike.tobytes())
        self.fingerprint = content.hexdigest()

    def begin(self, epoch: int) -> None:
        """Every pass learns the same pairs."""

    def names(self, ids: Sequence[str]) -> list[str]:
        """A name for each pair, from those of its rows."""
        return [f"{ids[self.readings.rows[a]]} and {ids[self.readings.rows[b]]}" for a, b in self.pairs.tolist()]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these pairs, (pairs,)."""
        wanted, place = np.unique(self.pairs[list(index)], return_inverse=True)
        vectors = self.model.vectors(**self.model.batch(self.readings.select(wanted.tolist())))
        both = vectors[torch.from_numpy(place.reshape(-1, 2)).to(vectors.device)]
        return self.objective.losses(both[:, 0], both[:, 1], self.alike[list(index)])
