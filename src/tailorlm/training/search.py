"""A lesson in finding: queries in bundles, each told its right passage from the wrong ones of its bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import CheckError
from tailorlm.models.encoder import TextModel
from tailorlm.training.order import SeededOrder


class SearchObjective(Protocol):
    """How the vectors of a bundle become losses."""

    def losses(self, queries: Tensor, passages: Tensor, own: Tensor, wrong: Tensor, hard: Tensor) -> Tensor:
        """queries: (q, width). passages: (p, width). own: (q,) columns. wrong, hard: (q, p). Returns (q,)."""


class Texts(Protocol):
    """Texts by number, as vectors that are compared. lengths: tokens computed for each."""

    lengths: Sequence[int]
    fingerprint: str

    def vectors(self, index: Sequence[int]) -> Tensor:
        """(texts, width), with gradients."""


class ReadTexts:
    """Texts that the model reads anew each time. rows: token ids of each."""

    def __init__(self, model: TextModel, rows: Sequence[Sequence[int]]):
        self.model, self.rows = model, rows
        self.lengths: Sequence[int] = [len(row) for row in rows]
        content = hashlib.sha256(b"tokens")
        for row in rows:
            content.update(np.asarray([len(row), *row], dtype=np.int64).tobytes())
        self.fingerprint = content.hexdigest()

    def vectors(self, index: Sequence[int]) -> Tensor:
        """Pooled, and through the head where one is between."""
        return compared(self.model, self.model.pool(*self.model.pad([self.rows[i] for i in index])))


class KnownTexts:
    """Texts whose pooled vectors, (texts, width), do not change while the head over them learns."""

    def __init__(self, model: TextModel, vectors: np.ndarray):
        self.model = model
        self.lengths: Sequence[int] = [1] * len(vectors)
        self.fingerprint = hashlib.sha256(b"vectors" + np.ascontiguousarray(vectors).tobytes()).hexdigest()
        self._vectors = torch.from_numpy(vectors).to(model.device)

    def vectors(self, index: Sequence[int]) -> Tensor:
        """Through the head."""
        return compared(self.model, self._vectors[torch.as_tensor(list(index), device=self._vectors.device)])


def compared(model: TextModel, pooled: Tensor) -> Tensor:
    """What is compared of pooled vectors, (texts, width): themselves, or what the head makes of them where one learns."""
    if model.head is None:
        return pooled
    through: Tensor = model.head(pooled)
    return through


class SearchLesson:
    """Queries with passages in bundles, drawn anew for every pass; a bundle is what the loop takes for a row.

    right, wrong: places in `passages` of each query's right passages (one at least) and wrong ones. In each pass one of the right and
    `negatives` of the wrong ones are drawn; the drawn passages of the whole bundle, each once, stand before all of its queries. For a query
    its other right passages are neither right nor wrong. size: queries of a bundle, and of an optimiser step; a last one of a single query joins the
    one before. `order` is that of the bundles. CheckError where nothing is wrong for a query alone.
    """

    def __init__(
        self,
        model: TextModel,
        texts: tuple[Texts, Texts],
        sides: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        objective: SearchObjective,
        *,
        negatives: int,
        size: int,
        seed: int,
    ):
        self.module: nn.Module = model
        (self.queries, self.passages), (self.right, self.wrong) = texts, sides
        self.objective, self.negatives, self.seed, self.padded = objective, negatives, seed, False
        if (len(self.right) < 2 or size < 2) and not (negatives and any(self.wrong)):
            raise CheckError(
                "a query is told from the passages of the others of its step, and here each step has one",
                got=f"{len(self.right)} queries without wrong passages, train.rows_per_step: {size}",
                hint="more rows, train.rows_per_step: 16, or a column `negative`",
            )
        usual = [int(np.mean([self.passages.lengths[i] for i in places])) for places in self.right]
        lengths = [one + other for one, other in zip(self.queries.lengths, usual, strict=True)]
        self.bundles_of = SeededOrder(lengths, size, seed)
        told = f"{type(objective).__name__} {vars(objective)} {negatives} {size} {seed} {self.right} {self.wrong} "
        told += f"{self.queries.fingerprint} {self.passages.fingerprint}"
        self.fingerprint = hashlib.sha256(told.encode()).hexdigest()
        self.begin(0)
        self.order = SeededOrder([1] * len(self.bundles), 1, seed)
        self.names = [f"bundle {i + 1} of {len(self.bundles)}" for i in range(len(self.bundles))]

    def begin(self, epoch: int) -> None:
        """Draw bundles and passages of pass `epoch` (from 0)."""
        self.bundles = together(list(self.bundles_of.steps(epoch)))
        random = np.random.default_rng([self.seed, epoch, 1])
        self.drawn = [places[int(random.integers(len(places)))] for places in self.right]
        self.hard = [
            random.permutation(places)[: self.negatives].tolist() if len(places) else [] for places in self.wrong
        ]
        self.columns = [
            list(dict.fromkeys([*(self.drawn[i] for i in bundle), *(place for i in bundle for place in self.hard[i])]))
            for bundle in self.bundles
        ]
        read, found = self.queries.lengths, self.passages.lengths
        self.lengths: Sequence[int] = [
            sum(read[i] for i in bundle) + sum(found[i] for i in columns)
            for bundle, columns in zip(self.bundles, self.columns, strict=True)
        ]
        self.counts: Sequence[int] = [len(bundle) for bundle in self.bundles]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these bundles, (bundles,), summed over its queries."""
        return torch.stack([self._bundle(self.bundles[i], self.columns[i]).sum() for i in index])

    def _bundle(self, bundle: Sequence[int], columns: Sequence[int]) -> Tensor:
        queries, passages = self.queries.vectors(bundle), self.passages.vectors(columns)
        place = {passage: column for column, passage in enumerate(columns)}
        own = [place[self.drawn[i]] for i in bundle]
        wrong, hard = np.ones((len(bundle), len(columns)), bool), np.zeros((len(bundle), len(columns)), bool)
        for row, i in enumerate(bundle):
            wrong[row, [place[passage] for passage in self.right[i] if passage in place]] = False
            hard[row, [place[passage] for passage in self.hard[i]]] = True
        device = queries.device
        masks = (torch.from_numpy(mask).to(device) for mask in (wrong, hard))
        return self.objective.losses(queries, passages, torch.tensor(own, device=device), *masks)


def together(bundles: list[list[int]]) -> list[list[int]]:
    """The bundles, a single row among them, which would have nothing to be told from, joined to the last one of the others."""
    alone = next((i for i, bundle in enumerate(bundles) if len(bundle) == 1), None)
    if alone is None or len(bundles) == 1:
        return bundles
    rest = bundles.pop(alone)
    return [*bundles[:-1], bundles[-1] + rest]
