"""Gold and predicted numbers as arrays, and means of what they are off by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, Sums
from tailorlm.evaluation.predictions import Predictions


def both_sides(predictions: Predictions) -> tuple[FloatArray, FloatArray]:
    """Gold and predicted numbers, (rows,) each. Where none was given it is an end of the scale, whichever lies farther off.

    Where the scale is one number, it is one more.
    """
    gold, predicted = (np.array(side, dtype=np.float64) for side in (predictions.gold, predictions.predicted))
    missing = np.isnan(predicted)
    if missing.any():
        assert predictions.scale is not None
        low, high = predictions.scale
        farthest = np.where(gold - low > high - gold, low, high) if high > low else gold + 1
        predicted = np.where(missing, farthest, predicted)
    return gold, predicted


def mean_off(
    predictions: Predictions,
    each: Callable[[FloatArray], FloatArray],
    of_mean: Callable[[FloatArray], FloatArray] = np.asarray,
) -> Sums:
    """`of_mean` of the mean over rows of `each` difference."""
    gold, predicted = both_sides(predictions)
    return Sums.mean(each(predicted - gold), of_mean)
