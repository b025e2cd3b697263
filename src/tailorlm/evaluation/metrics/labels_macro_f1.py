"""Macro-F1 over labels, where a row may have several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray, Sums
from tailorlm.evaluation.metrics._labels import f1, label_counts

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class LabelsMacroF1:
    """The plain mean of the F1 of each label, where a row may have several: rare labels weigh as much as frequent ones.

    The mean runs over the labels that gold or an answer has. Equal to scikit-learn's `f1_score` with `average="macro"` over those;
    1 where there are none at all.
    """

    name = "labels_macro_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "labels"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of each label, row by row."""
        _, counts = label_counts(predictions)
        return Sums(counts.reshape(len(counts), -1), _macro)


def _macro(sums: FloatArray) -> FloatArray:
    counts = sums.reshape(len(sums), 3, sums.shape[1] // 3).transpose(0, 2, 1)
    there = counts[..., 1] + counts[..., 2] > 0
    total = np.where(there, f1(counts), 0.0).sum(axis=1)
    return np.where(there.any(axis=1), total / np.maximum(1, there.sum(axis=1)), 1.0)
