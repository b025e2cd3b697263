"""Recall at 5: how many of the right passages stand among the first 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import recall_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Recall5:
    """The share of a query's right passages among the first five, the mean over queries, 0 to 1.

    Choose it where five passages go into a prompt, whatever their order.
    """

    name = "recall_5"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(recall_at(predictions.predicted, predictions.gold, 5))
