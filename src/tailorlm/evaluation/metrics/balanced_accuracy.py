"""Balanced accuracy: the share found of every label, averaged with equal weight."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, IntArray, LabelMetric
from tailorlm.evaluation.metrics._confusion import LabelCounts, counts, resampled_counts


class BalancedAccuracy(LabelMetric):
    """The mean over labels of recall, the share of a label's rows that are answered rightly, in [0, 1].

    The mean runs over the labels that occur in gold, on a resample over those that occur in that resample: equal to
    scikit-learn's `balanced_accuracy_score`. Zero rows are a TailorError.

    Choose it when labels differ much in size and each must be found; always answering one label scores 1 / labels.
    Instead: `macro_f1` when false alarms of a small label also cost something.
    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.
    """

    name = "balanced_accuracy"
    version = 1
    higher_is_better = True
    unit = "fraction"
    averages_over: Literal["rows", "labels", "parts"] = "labels"

    def score(self, gold: IntArray, predicted: IntArray, n_labels: int) -> float:
        """Mean recall of `gold` and `predicted`, both (n,) codes below `n_labels`."""
        return float(_mean_recall(counts(gold, predicted, n_labels))[0])

    def resampled(self, gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray) -> FloatArray:
        """Mean recall of each resample, (B,), for `index` (B, n)."""
        values = np.empty(len(index))
        for where, block in resampled_counts(gold, predicted, n_labels, index):
            values[where] = _mean_recall(block)
        return values


def _mean_recall(block: LabelCounts) -> FloatArray:
    recall = block.hits / np.maximum(block.gold, 1.0)
    mean: FloatArray = recall.sum(axis=0) / np.count_nonzero(block.gold, axis=0)
    return mean
