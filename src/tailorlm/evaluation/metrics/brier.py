"""Brier score: the squared error of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Brier:
    """The squared distance of the probabilities of all labels from what was right, 0 to 2, averaged over rows. Lower is better.

    Source: Brier 1950, in his own form, twice that of two labels as it is often given. A proper score: only honest probabilities minimise
    it, and it falls both when answers get better and when sureness does. A way without scores counts as certain. Equal to scikit-learn's
    `brier_score_loss(scale_by_half=False)`. `log_loss` punishes certain errors without bound.
    """

    name = "brier"
    version = 1
    higher_is_better = False
    unit = "squared distance"
    reads = "label"
    reads_scores = True
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The squared distance of each row."""
        from tailorlm.evaluation.sureness import probabilities

        chances = probabilities(predictions)
        right = chances[np.arange(len(chances)), predictions.codes()[0]]
        each = (chances**2).sum(axis=1) - 2 * right + 1
        return Sums.mean(each)
