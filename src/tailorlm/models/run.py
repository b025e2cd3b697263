"""Running a model over many texts: sorted by length, in batches of a token budget, in the caller's order."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tailorlm.models.encoder import TextModel

if TYPE_CHECKING:
    from tailorlm.models.trunk import Trunk

# Positions of one batch at prediction. Small batches stay in the processor's cache; larger ones were slower.
BUDGET = 1024


def batches(lengths: Sequence[int], budget: int = BUDGET) -> Iterator[list[int]]:
    """Row indices in batches of equal-ish length: rows x longest row stays within `budget` (one row may exceed it)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def label_scores(model: TextModel, texts: Sequence[str]) -> np.ndarray:
    """Scores of every label for every text, (texts, labels), float32, in the order of `texts`."""
    return _over_texts(model, texts, model)


def embed(model: TextModel, texts: Sequence[str]) -> np.ndarray:
    """Pooled vectors, (texts, width), float32, in the order of `texts`; equal texts are computed once."""
    unique = list(dict.fromkeys(texts))
    vectors = _over_texts(model, unique, model.pool)
    place = {text: i for i, text in enumerate(unique)}
    return vectors[[place[text] for text in texts]]


@dataclass
class EmbeddingCache:
    """What frozen bases give, computed once and shared by ways, trials and seeds: key to (array, seconds it cost).

    Vectors of texts, (width,), and states after a frozen trunk, (tokens, width), which are kept while they fit into `states_limit` bytes
    (a quarter of the memory that is free, unless told).
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    states_limit: int = -1
    states_bytes: int = 0

    def room(self, size: int) -> bool:
        """Whether states of so many bytes may be kept; if so they are counted."""
        if self.states_limit < 0:
            import psutil

            self.states_limit = psutil.virtual_memory().available // 4
        fits = self.states_bytes + size <= self.states_limit
        self.states_bytes += size if fits else 0
        return fits


@dataclass
class EmbeddingView:
    """One fit's view of what is shared, which keeps its own account.

    `spent`: seconds this view really computed. `needed`: the keys it asked for, so that each way is charged for all it needed, as if
    it stood alone, whoever computed them (`charge`).
    """

    cache: EmbeddingCache = field(default_factory=EmbeddingCache)
    spent: float = 0.0
    needed: set[str] = field(default_factory=set)

    def take(self, model: TextModel, texts: Sequence[str]) -> np.ndarray:
        """Vectors (texts, width), float32; keyed by weights, pooling, length limit and text."""
        space = f"{model.base.fingerprint}/{model.pooling}/{model.max_length}/"
        found = self._take(space, texts, lambda new: list(embed(model, new)))
        return np.stack(found) if texts else np.zeros((0, model.width), np.float32)

    def states(self, trunk: Trunk, texts: Sequence[str]) -> list[np.ndarray]:
        """States after the trunk, (tokens, width) each; computed anew each time where they do not fit into memory."""
        model = trunk.model
        space = f"{model.base.fingerprint}/trunk {trunk.boundary}/{model.max_length}/"
        return self._take(space, texts, lambda new: trunk.states(model.tokenize(new)), limited=True)

    def _take(
        self,
        space: str,
        texts: Sequence[str],
        compute: Callable[[list[str]], list[np.ndarray]],
        *,
        limited: bool = False,
    ) -> list[np.ndarray]:
        keys = [space + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        known = self.cache.arrays
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        fresh: dict[str, np.ndarray] = {}
        if new:
            start = time.perf_counter()
            fresh = dict(zip(new, compute(list(new.values())), strict=True))
            took = time.perf_counter() - start
            self.spent += took
            for key, array in fresh.items():
                if not limited or self.cache.room(array.nbytes):
                    known[key], self.cache.seconds[key] = array, took / len(new)
        self.needed.update(key for key in keys if key in known)
        return [known[key] if key in known else fresh[key] for key in keys]

    def charge(self, other: EmbeddingView | None = None) -> float:
        """Seconds that all vectors needed here (and by `other`) cost when they were computed, each counted once."""
        return sum(self.cache.seconds[key] for key in self.needed | (other.needed if other else set()))


@torch.inference_mode()
def _over_texts(model: TextModel, texts: Sequence[str], function: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
    was_training = model.training
    model.eval()
    rows = model.tokenize(texts)
    result: np.ndarray | None = None
    for index in batches([len(row) for row in rows]):
        out = function(*model.pad([rows[i] for i in index])).float().cpu().numpy()
        if result is None:
            result = np.empty((len(rows), out.shape[1]), dtype=np.float32)
        result[index] = out
    model.train(was_training)
    return result if result is not None else np.zeros((0, 0), dtype=np.float32)
