"""Where scores come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.run import KeptStates, batches
from tailorlm.tasks.readings import Readings


class TokenSource:
    """Scores of a whole model over readings."""

    def __init__(self, model: TextModel, readings: Readings):
        self.module: nn.Module = model
        self.model, self.readings = model, readings
        self.lengths: Sequence[int] = readings.lengths
        self.sizes: Sequence[int] = readings.sizes
        self.fingerprint = readings.fingerprint

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs), with gradients."""
        scores: Tensor = self.model(**self.model.batch(self.readings.select(index)))
        return scores


class HeadedSource:
    """Scores of another head than the model's own, on what the model's own head would read.

    head: stays as it is, unless it `learns`; then the lesson's module has to hold it.
    """

    def __init__(self, model: TextModel, readings: Readings, head: nn.Module, *, learns: bool = False):
        self.module: nn.Module = model
        self.model, self.readings, self.head = model, readings, head.train(learns).requires_grad_(learns)
        self.lengths: Sequence[int] = readings.lengths
        self.sizes: Sequence[int] = readings.sizes
        weights = b"".join(value.detach().cpu().numpy().tobytes() for value in head.state_dict().values())
        self.fingerprint = hashlib.sha256(readings.fingerprint.encode() + weights).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs), with gradients in the body, and in a head that learns."""
        scores: Tensor = self.head(self.model.vectors(**self.model.batch(self.readings.select(index))))
        return scores


class TrunkSource:
    """Scores of the blocks that learn, from the states that the frozen blocks below them gave once.

    Exact, because frozen blocks run without dropout.
    """

    def __init__(self, states: KeptStates):
        self.module: nn.Module = states.trunk.model
        self.states, self.readings = states, states.readings
        self.lengths: Sequence[int] = self.readings.lengths
        self.sizes: Sequence[int] = self.readings.sizes
        self.fingerprint = hashlib.sha256(f"{states.trunk.boundary} {self.readings.fingerprint}".encode()).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs), with gradients above the trunk."""
        trunk = self.states.trunk
        with trunk.given(trunk.padded(self.states.take(index))):
            scores: Tensor = trunk.model(**trunk.model.batch(self.readings.select(index)))
        return scores

    @torch.inference_mode()
    def all_scores(self) -> list[np.ndarray]:
        """Scores of every reading as the model stands, (places, outputs) float32 each."""
        found: list[np.ndarray] = [np.zeros((0, 0), np.float32)] * len(self.readings)
        for index in batches(self.lengths):
            scores = self.scores(index).float().cpu().numpy()
            cuts = np.cumsum([self.sizes[i] for i in index])[:-1]
            for i, part in zip(index, np.split(scores, cuts), strict=True):
                found[i] = part
        return found


class VectorSource:
    """Scores of a head over vectors of a frozen body, computed once: a pass costs milliseconds.

    Exact, because a frozen body runs without dropout. vectors: (places, width) for each reading. `module` is the model, so that names
    stay the same.
    """

    def __init__(self, model: TextModel, vectors: Sequence[np.ndarray]):
        self.module: nn.Module = model
        self.model = model
        table = np.concatenate(vectors)
        self.vectors = torch.from_numpy(table).to(model.device)
        self.sizes: Sequence[int] = [len(part) for part in vectors]
        self.lengths: Sequence[int] = [max(1, size) for size in self.sizes]
        self.starts = np.cumsum([0, *self.sizes])
        self.fingerprint = hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Scores (places, outputs), with gradients in the head alone."""
        assert self.model.head is not None
        places = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in index])
        scores: Tensor = self.model.head(self.vectors[torch.from_numpy(places).to(self.vectors.device)])
        return scores
