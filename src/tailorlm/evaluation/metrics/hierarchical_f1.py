"""Hierarchical F1: an answer in the right branch is partly right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray, Sums
from tailorlm.evaluation.paths import path_of

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class HierarchicalF1:
    """F1 of labels together with all that stands above them, over all rows, 0 to 1, for names like `card/lost`.

    `card/stolen` for `card/lost` shares one of two steps and counts a half; another branch counts nothing, and a shorter answer loses recall
    alone. Source: Kiritchenko et al. 2006. Without `/` in the names it is accuracy. Tables by level stand in the report.
    """

    name = "hierarchical_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "label"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Steps of each row that are right, wanted and answered."""
        paths = {label: set(path_of(label)) for label in {*predictions.gold, *predictions.predicted}}
        parts = [
            (len(paths[gold] & paths[answer]), len(paths[gold]), len(paths[answer]))
            for gold, answer in zip(predictions.gold, predictions.predicted)
        ]
        return Sums(np.array(parts, dtype=np.float64).reshape(len(parts), 3), _f1)


def _f1(sums: FloatArray) -> FloatArray:
    f1: FloatArray = 2 * sums[:, 0] / (sums[:, 1] + sums[:, 2])
    return f1
