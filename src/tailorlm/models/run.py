"""Running a model over many readings: sorted by length, in batches of a token budget, without padding, in the caller's order."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tailorlm.models.arithmetic import fastest_exact
from tailorlm.models.disk import OnDisk
from tailorlm.models.encoder import TextModel
from tailorlm.models.mode import evaluating
from tailorlm.models.unpadded import unpadded
from tailorlm.tasks.readings import Readings

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


def scores_of(model: TextModel, readings: Readings) -> list[np.ndarray]:
    """Scores of every reading, (places, outputs) float32 each, in their order."""
    if readings.others is None:
        return _over(model, readings, model)
    assert model.head is not None
    with torch.inference_mode():
        vectors = torch.from_numpy(
            np.concatenate([np.zeros((0, 4 * model.width), np.float32), *vectors_of(model, readings)])
        )
        return list(model.head(vectors.to(model.device)).float().cpu().numpy()[:, None])


def vectors_of(model: TextModel, readings: Readings) -> list[np.ndarray]:
    """The vectors that a head reads, (places, width) float32 for each reading, in their order.

    Pairs that are read apart: u, v, |u - v|, u * v of their two vectors, (1, 4 x width) (Conneau et al. 2017, arXiv:1705.02364, section 3).
    """
    if readings.sides is None:
        return _over(model, readings, model.vectors)
    sides = (_over(model, side, model.vectors) for side in readings.sides)
    return [np.concatenate([u, v, np.abs(u - v), u * v], axis=1) for u, v in zip(*sides, strict=True)]


def label_scores(model: TextModel, texts: Sequence[str]) -> np.ndarray:
    """Scores of every output for every text, (texts, outputs), float32, in the order of `texts`."""
    found = scores_of(model, Readings(model.tokenize(texts)))
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


def embed(model: TextModel, texts: Sequence[str]) -> np.ndarray:
    """Pooled vectors, (texts, width), float32, in the order of `texts`; equal texts are computed once."""
    unique = list(dict.fromkeys(texts))
    if not unique:
        return np.zeros((0, model.width), np.float32)
    vectors = vectors_of(model, Readings(model.tokenize(unique)))
    place = {text: i for i, text in enumerate(unique)}
    return np.concatenate([vectors[place[text]] for text in texts])


@dataclass
class EmbeddingCache:
    """What frozen bases give, computed once and shared by ways, trials and seeds: key to (array, seconds it cost).

    Vectors of texts, (width,), and states after a frozen trunk, (tokens, width), which are kept in memory while they fit into `states_limit`
    bytes (a quarter of the memory that is free, unless told), then on `disk`.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    states_limit: int = -1
    states_bytes: int = 0
    disk: OnDisk = field(default_factory=OnDisk)

    @property
    def known(self) -> Mapping[str, np.ndarray]:
        """All that is kept, in memory and on disk."""
        return ChainMap(self.arrays, self.disk)  # type: ignore[arg-type]

    def keep(self, states: Mapping[str, np.ndarray]) -> bool:
        """Keep states where there is room; False where there is none."""
        if not self.room(sum(state.nbytes for state in states.values())):
            return self.disk.add(states)
        self.arrays.update(states)
        return True

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
        """Pooled vectors of texts, (texts, width), float32."""
        found = self.vectors(model, Readings(model.tokenize(texts)))
        return np.concatenate(found) if found else np.zeros((0, model.width), np.float32)

    def vectors(self, model: TextModel, readings: Readings) -> list[np.ndarray]:
        """Vectors that a head reads, (places, width) float32 for each reading; keyed by weights, pooling and reading."""
        space = f"{model.base.fingerprint}/{model.pooling}/"
        return self.remembered(
            [space + key for key in readings.keys], lambda places: vectors_of(model, readings.select(places))
        )

    def remembered(self, keys: Sequence[str], compute: Callable[[list[int]], list[np.ndarray]]) -> list[np.ndarray]:
        """Arrays by key; `compute` makes those that nobody has asked for yet, given their places, and what it cost is noted."""
        known = self.cache.arrays
        new = {key: i for i, key in enumerate(keys) if key not in known}
        if new:
            start = time.perf_counter()
            made = compute(list(new.values()))
            took = time.perf_counter() - start
            self.spent += took
            for key, array in zip(new, made, strict=True):
                known[key], self.cache.seconds[key] = array, took / len(new)
        self.needed.update(keys)
        return [known[key] for key in keys]

    def states(self, trunk: Trunk, readings: Readings) -> KeptStates:
        """States after the trunk, computed now for as many readings as fit into memory or on disk, and anew each time for the others."""
        space = f"{trunk.model.base.fingerprint}/trunk {trunk.boundary}/"
        keys = [space + key for key in readings.keys]
        known = self.cache.known
        new = {key: i for i, key in enumerate(keys) if key not in known}
        start, names, fresh = time.perf_counter(), list(new), []
        for index, states in trunk.portions(readings.select(list(new.values()))) if new else ():
            if not self.cache.keep({names[i]: state for i, state in zip(index, states, strict=True)}):
                break
            fresh += [names[i] for i in index]
        took = time.perf_counter() - start if new else 0.0
        self.spent += took
        self.cache.seconds |= dict.fromkeys(fresh, took / max(1, len(fresh)))
        self.needed.update(key for key in keys if key in known)
        return KeptStates(trunk, readings, keys, known)

    def charge(self, other: EmbeddingView | None = None) -> float:
        """Seconds that all vectors needed here (and by `other`) cost when they were computed, each counted once."""
        return sum(self.cache.seconds[key] for key in self.needed | (other.needed if other else set()))


class KeptStates:
    """States after a frozen trunk for readings, from what is kept where it is kept, computed anew where not."""

    def __init__(self, trunk: Trunk, readings: Readings, keys: Sequence[str], known: Mapping[str, np.ndarray]):
        self.trunk, self.readings, self.keys, self.known = trunk, readings, keys, known

    def take(self, index: Sequence[int]) -> list[np.ndarray]:
        """States of these readings, (tokens, width) float32 each."""
        missing = [i for i in index if self.keys[i] not in self.known]
        fresh = dict(zip(missing, self.trunk.states(self.readings.select(missing)), strict=True)) if missing else {}
        return [fresh[i] if i in fresh else self.known[self.keys[i]] for i in index]


@torch.inference_mode()
def _over(model: TextModel, readings: Readings, function: Callable[..., Tensor]) -> list[np.ndarray]:
    found: list[np.ndarray] = [np.zeros((0, 0), np.float32)] * len(readings)
    with evaluating(model), fastest_exact(model.device), unpadded(model, readings.lengths):
        for index in batches(readings.lengths):
            some = readings.select(index)
            out = function(**model.batch(some)).float().cpu().numpy()
            for i, part in zip(index, np.split(out, np.cumsum(some.sizes)[:-1]), strict=True):
                found[i] = part
    return found
