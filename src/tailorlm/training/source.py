"""Where label scores come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.run import batches
from tailorlm.models.trunk import Trunk


class TokenSource:
    """Scores of a whole model over token ids. lengths: tokens a row."""

    def __init__(self, model: TextModel, texts: Sequence[str]):
        self.module: nn.Module = model
        self.model = model
        self.rows = model.tokenize(texts)
        self.lengths: Sequence[int] = [len(row) for row in self.rows]
        self.fingerprint = hashlib.sha256(repr(self.rows).encode()).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Label scores (rows, labels), with gradients."""
        scores: Tensor = self.model(*self.model.pad([self.rows[i] for i in index]))
        return scores


class TrunkSource:
    """Scores of the blocks that learn, from the states that the frozen blocks below them gave once.

    Exact, because frozen blocks run without dropout. states: asks for the states of texts, (tokens, width) each.
    """

    def __init__(self, trunk: Trunk, texts: Sequence[str], states: Callable[[Sequence[str]], list[np.ndarray]]):
        self.module: nn.Module = trunk.model
        self.trunk, self.texts, self.states = trunk, texts, states
        self.rows = trunk.model.tokenize(texts)
        self.lengths: Sequence[int] = [len(row) for row in self.rows]
        self.fingerprint = hashlib.sha256(f"{trunk.boundary} {self.rows!r}".encode()).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Label scores (rows, labels), with gradients above the trunk."""
        trunk = self.trunk
        hidden = trunk.padded(self.states([self.texts[i] for i in index]))
        with trunk.given(hidden):
            scores: Tensor = trunk.model(*trunk.model.pad([self.rows[i] for i in index]))
        return scores

    @torch.inference_mode()
    def all_scores(self) -> np.ndarray:
        """Label scores of all rows as the model stands, (rows, labels), float32."""
        found: list[np.ndarray] = [np.zeros(0)] * len(self.rows)
        for index in batches(self.lengths):
            for i, row in zip(index, self.scores(index).float().cpu().numpy(), strict=True):
                found[i] = row
        return np.stack(found)


class VectorSource:
    """Scores of a head over pooled vectors of a frozen body, computed once: a pass costs milliseconds.

    Exact, because a frozen body runs without dropout. vectors: (rows, width). `module` is the model, so that names stay the same.
    """

    def __init__(self, model: TextModel, vectors: np.ndarray):
        self.module: nn.Module = model
        self.model = model
        self.vectors = torch.from_numpy(vectors).to(model.device)
        self.lengths: Sequence[int] = [1] * len(vectors)
        self.fingerprint = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()

    def scores(self, index: Sequence[int]) -> Tensor:
        """Label scores (rows, labels), with gradients in the head alone."""
        assert self.model.head is not None
        scores: Tensor = self.model.head(self.vectors[list(index)])
        return scores
