"""Accuracy: the share of rows answered rightly."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tailorlm.evaluation.metrics._base import BLOCK, FloatArray, IntArray, LabelMetric
from tailorlm.evaluation.metrics._confusion import checked


class Accuracy(LabelMetric):
    """The share of rows whose predicted label is the gold label, in [0, 1].

    Choose it when every row costs the same when wrong. Where labels differ much in size and the small ones matter,
    take `macro_f1` or `balanced_accuracy`: always answering the largest label already scores its share here.
    Equal to scikit-learn's `accuracy_score`. Zero rows are a TailorError.
    """

    name = "accuracy"
    version = 1
    higher_is_better = True
    unit = "fraction"
    averages_over: Literal["rows", "labels", "parts"] = "rows"

    def score(self, gold: IntArray, predicted: IntArray, n_labels: int) -> float:
        """The share of equal codes in `gold` and `predicted`, both (n,)."""
        checked(gold, predicted)
        return float(np.count_nonzero(gold == predicted) / len(gold))

    def resampled(self, gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray) -> FloatArray:
        """The share on each resample, (B,), for `index` (B, n)."""
        checked(gold, predicted)
        right = (gold == predicted).astype(np.float64)
        values = np.empty(len(index))
        step = max(1, BLOCK // max(1, index.shape[1]))
        for start in range(0, len(index), step):
            values[start : start + step] = right.take(index[start : start + step]).sum(axis=1)
        values /= index.shape[1]
        return values
