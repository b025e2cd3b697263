"""Recall at 1: how many of the right passages stand first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import recall_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Recall1:
    """The share of a query's right passages in the first place, the mean over queries, 0 to 1.

    Choose it where the first answer alone is shown. With several right passages it cannot reach 1; `mrr_10` then says more.
    """

    name = "recall_1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(recall_at(predictions.predicted, predictions.gold, 1))
