"""Probabilities of labels for rows that the classifier has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError
from tailorlm.data.audit.words import order
from tailorlm.data.quality import normalised

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]

_STRENGTH = 3.0
_ROUNDS = 30


def folds_of(texts: Sequence[str], codes: Ints, folds: int, seed: int) -> Ints:
    """(n,) the fold of each row: every label spread evenly, and texts that are equal when normalised always together.

    Two copies of a row with the same wrong label would otherwise vouch for each other. Depends on the texts, labels and
    seed alone, not on the order of the rows.
    """
    labels = codes.tolist()
    first: dict[str, int] = {}
    keys = [normalised(text) for text in texts]
    for key, code in zip(keys, labels, strict=True):
        first[key] = min(first.get(key, code), code)
    places: dict[str, int] = {}
    ranked = sorted(first, key=lambda key: (first[key], order(seed, key)))
    for place, key in enumerate(ranked):
        places[key] = place % folds
    return np.array([places[key] for key in keys], dtype=np.int64)


class CrossFit:
    """One logistic regression a fold, each fitted on the rows of all other folds.

    `fit(vectors, codes, folds)`: vectors (n, d), codes (n,) below `n_labels`, folds (n,). `held_out` is then (n,
    n_labels): for each row the probabilities by the model that never saw it; 0 for a label of which the model saw no
    row. `known` (n, ) says whether the row's own label was among those seen. Memory: 4 * n_labels bytes a row.

    Choose it for audits and checks, where thousands of rows a second matter more than the last point of accuracy.
    """

    def __init__(self, n_labels: int):
        self.n_labels = n_labels

    def fit(self, vectors: Floats, codes: Ints, folds: Ints) -> CrossFit:
        """Fit every fold and keep the probabilities of the rows left out."""
        if len(vectors) != len(codes) or len(folds) != len(codes):
            raise TailorError("vectors and labels must come in pairs", got=f"{len(vectors)} and {len(codes)}")
        self.models_: list[Any] = []
        self.held_out = np.zeros((len(codes), self.n_labels), np.float32)
        self.known = np.zeros(len(codes), bool)
        for fold in range(int(folds.max(initial=0)) + 1):
            inside = folds == fold
            model = _fitted(vectors[~inside], codes[~inside])
            self.models_.append(model)
            if inside.any():
                self.held_out[inside] = self._spread(model, vectors[inside])
                self.known[inside] = np.isin(codes[inside], model.classes_) if model is not None else False
        return self

    def probabilities(self, vectors: Floats, folds: Ints) -> Floats:
        """(n, n_labels) for new rows, row i by the model that did not see the rows of fold `folds[i]`."""
        found = np.zeros((len(vectors), self.n_labels), np.float32)
        for fold, model in enumerate(self.models_):
            inside = folds == fold
            if inside.any():
                found[inside] = self._spread(model, vectors[inside])
        return found

    def _spread(self, model: Any, vectors: Floats) -> Floats:
        found = np.zeros((len(vectors), self.n_labels), np.float32)
        if model is not None:
            found[:, model.classes_] = model.predict_proba(vectors)
        return found


class _Only:
    """What stands in for a classifier where all rows have one label."""

    def __init__(self, code: int):
        self.classes_ = np.array([code])

    def predict_proba(self, vectors: Floats) -> Floats:
        return np.ones((len(vectors), 1), np.float32)


def _fitted(vectors: Floats, codes: Ints) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(codes)
    if len(seen) < 2:
        return _Only(int(seen[0])) if len(seen) else None
    with warnings.catch_warnings():
        # Thirty rounds rank the rows as well as hundreds do, in a tenth of the time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=_STRENGTH, max_iter=_ROUNDS).fit(vectors, codes)
