"""Mean reciprocal rank: how far down the first right passage stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import reciprocal_rank_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class MRR10:
    """One divided by the place of the first right passage, 0 beyond the tenth; the mean over queries, 0 to 1.

    Choose it where people stop at the first right passage. Source: Voorhees 1999 (TREC-8); cut at ten as MS MARCO does.
    """

    name = "mrr_10"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(reciprocal_rank_at(predictions.predicted, predictions.gold, 10))
