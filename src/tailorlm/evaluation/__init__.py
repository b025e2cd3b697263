"""An honest comparison of ways on the same test rows: scores, intervals, paired tests, verdicts, and which to take.

It knows predictions, never the methods that made them. Start at `compare`; docs/studies/statistics.md shows how often
it is wrong.
"""

from __future__ import annotations

from tailorlm.evaluation import tables
from tailorlm.evaluation.contract import check_metric
from tailorlm.evaluation.decide import Cost, Recommendation, recommend
from tailorlm.evaluation.predictions import Predictions
from tailorlm.evaluation.statistics import AgainstBest, Comparison, Interval, Pair, Verdict, compare, interval
from tailorlm.evaluation.tables import LabelScore

__all__ = [
    "AgainstBest",
    "Comparison",
    "Cost",
    "Interval",
    "LabelScore",
    "Pair",
    "Predictions",
    "Recommendation",
    "Verdict",
    "check_metric",
    "compare",
    "interval",
    "recommend",
    "tables",
]
