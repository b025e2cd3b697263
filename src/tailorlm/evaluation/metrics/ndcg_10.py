"""nDCG at 10: right passages near the top, each counting less the further down it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.data.rankings import ndcg_at
from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class NDCG10:
    """The discounted gain of the first ten against the best possible order, the mean over queries, 0 to 1.

    All right passages count alike. It sees both whether they are found and how far up, which is why search is usually ranked by it (BEIR, MTEB).
    Source: Järvelin & Kekäläinen 2002 (doi:10.1145/582415.582418), as trec_eval computes it.
    """

    name = "ndcg_10"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "ranking"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The value of each query."""
        return Sums.mean(ndcg_at(predictions.predicted, predictions.gold, 10))
