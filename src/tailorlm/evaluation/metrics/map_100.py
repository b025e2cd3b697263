"""Mean average precision of a search: all right passages before the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import average_precision_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class MAP100:
    """The mean over a query's right passages of the precision at the place of each, none beyond the hundredth; the mean over queries, 0 to 1.

    Choose it where queries have many right passages and all should be found; with one each it is nearly `mrr_10`.
    Source: trec_eval's `map_cut_100`.
    """

    name = "map_100"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(average_precision_at(predictions.predicted, predictions.gold, 100))
