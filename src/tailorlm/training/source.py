"""Where label scores come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel


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
