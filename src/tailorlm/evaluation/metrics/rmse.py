"""Root mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._numbers import mean_off

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class RMSE:
    """The root of the mean squared difference, in the unit of the numbers: far misses weigh most. Lower is better.

    It is what training on numbers brings down. Equal to scikit-learn's `root_mean_squared_error`.
    """

    name = "rmse"
    version = 1
    higher_is_better = False
    unit = "off"
    reads = "number"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The squared difference of each row."""
        return mean_off(predictions, np.square, lambda mean: np.sqrt(np.maximum(mean, 0.0)))
