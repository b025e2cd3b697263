"""Running a model over many texts: sorted by length, in batches of a token budget, in the caller's order."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tailorlm.models.encoder import TextModel

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
    """Vectors of frozen bases, computed once and shared by ways, trials and seeds: text key to (vector, seconds it cost)."""

    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class EmbeddingView:
    """One fit's view of the shared vectors, which keeps its own account.

    `spent`: seconds this view really computed. `needed`: the texts it asked for, so that each way is charged for all vectors it
    needed, as if it stood alone, whoever computed them (`charge`).
    """

    cache: EmbeddingCache = field(default_factory=EmbeddingCache)
    spent: float = 0.0
    needed: set[str] = field(default_factory=set)

    def take(self, model: TextModel, texts: Sequence[str]) -> np.ndarray:
        """Vectors (texts, width), float32; keyed by weights, pooling, length limit and text."""
        space = f"{model.base.fingerprint}/{model.pooling}/{model.max_length}/"
        keys = [space + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.cache.vectors}
        if new:
            start = time.perf_counter()
            vectors = embed(model, list(new.values()))
            took = time.perf_counter() - start
            self.spent += took
            for key, vector in zip(new, vectors, strict=True):
                self.cache.vectors[key], self.cache.seconds[key] = vector, took / len(new)
        self.needed.update(keys)
        if not keys:
            return np.zeros((0, model.width), np.float32)
        return np.stack([self.cache.vectors[key] for key in keys])

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
