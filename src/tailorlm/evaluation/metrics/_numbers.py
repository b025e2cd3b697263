"""Gold and predicted numbers as arrays, and means of what they are off by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, Sums
from tailorlm.evaluation.predictions import Predictions


def both_sides(predictions: Predictions) -> tuple[FloatArray, FloatArray]:
    """Gold and predicted numbers, (rows,) each."""
    return np.array(predictions.gold, dtype=np.float64), np.array(predictions.predicted, dtype=np.float64)


def mean_off(
    predictions: Predictions,
    each: Callable[[FloatArray], FloatArray],
    of_mean: Callable[[FloatArray], FloatArray] = np.asarray,
) -> Sums:
    """`of_mean` of the mean over rows of `each` difference."""
    gold, predicted = both_sides(predictions)
    return Sums.mean(each(predicted - gold), of_mean)
