"""Recall at 10: how many of the right passages stand among the first 10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import recall_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Recall10:
    """The share of a query's right passages among the first ten, the mean over queries, 0 to 1.

    Choose it where what is found is read through, or ordered once more by another model.
    """

    name = "recall_10"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(recall_at(predictions.predicted, predictions.gold, 10))
