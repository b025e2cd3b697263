"""Samples F1: how well the labels of a row are met, averaged over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence, Sums
from tailorlm.evaluation.metrics._labels import f1, set_counts

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SamplesF1:
    """The mean over rows of the F1 of a row's labels; a row that has none and is given none counts 1.

    Choose it where each row should come out well, whether it has one label or many. Equal to scikit-learn's `f1_score` with
    `average="samples"` and `zero_division=1`.
    """

    name = "samples_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "labels"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The F1 of each row."""
        each = f1(set_counts(predictions))
        return Sums.mean(each)
