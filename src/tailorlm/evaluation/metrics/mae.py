"""Mean absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._numbers import mean_off

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class MAE:
    """By how much an answer is off, on average, in the unit of the numbers: 0.5 is half a star. Lower is better.

    One wild answer counts no more than its distance; `rmse` counts it squared. Equal to scikit-learn's `mean_absolute_error`.
    """

    name = "mae"
    version = 1
    higher_is_better = False
    unit = "off"
    reads = "number"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """What each row is off by."""
        return mean_off(predictions, np.abs)
