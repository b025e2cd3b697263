"""Micro-F1: all labels of all rows in one pot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence, Sums
from tailorlm.evaluation.metrics._labels import f1, set_counts

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class MicroF1:
    """The harmonic mean of precision and recall over all labels of all rows together, where a row may have several.

    Frequent labels weigh most; `labels_macro_f1` weighs labels alike, `samples_f1` rows. Equal to scikit-learn's `f1_score` with
    `average="micro"`; 1 where no row has a label and none was answered.
    """

    name = "micro_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "labels"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of labels, row by row."""
        return Sums(set_counts(predictions), f1)
