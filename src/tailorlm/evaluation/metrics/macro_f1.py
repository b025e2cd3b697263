"""Macro-F1: the F1 of every label, averaged with equal weight."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, IntArray, LabelMetric
from tailorlm.evaluation.metrics._confusion import LabelCounts, counts, resampled_counts


class MacroF1(LabelMetric):
    """The mean over labels of F1, the harmonic mean of precision and recall, in [0, 1].

    The mean runs over the labels that occur in gold or predicted, and a label that is never hit counts 0: equal to
    scikit-learn's `f1_score(average="macro", zero_division=0)`. On a resample it runs over the labels that occur in
    that resample, as scikit-learn would on those rows. Zero rows are a TailorError.

    Choose it when small labels matter as much as large ones and false alarms count too. Instead: `balanced_accuracy`
    when only finding each label matters, `accuracy` when every row weighs the same.
    Source: Opitz and Burst, "Macro F1 and Macro F1", arXiv:1911.03347: the mean of F1s, not the F1 of means.
    """

    name = "macro_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    averages_over: Literal["rows", "labels", "parts"] = "labels"

    def score(self, gold: IntArray, predicted: IntArray, n_labels: int) -> float:
        """Macro-F1 of `gold` and `predicted`, both (n,) codes below `n_labels`."""
        return float(_macro_f1(counts(gold, predicted, n_labels))[0])

    def resampled(self, gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray) -> FloatArray:
        """Macro-F1 of each resample, (B,), for `index` (B, n)."""
        values = np.empty(len(index))
        for where, block in resampled_counts(gold, predicted, n_labels, index):
            values[where] = _macro_f1(block)
        return values


def _macro_f1(block: LabelCounts) -> FloatArray:
    both = block.gold + block.predicted
    f1 = 2.0 * block.hits / np.maximum(both, 1.0)
    mean: FloatArray = f1.sum(axis=0) / np.count_nonzero(both, axis=0)
    return mean
