"""Log loss: how surprised the probabilities are by the right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

LEAST = float(np.finfo(np.float64).eps)
"""A right answer that was given no probability counts as this, 36 nats."""


class LogLoss:
    """The mean of minus the logarithm of the right label's probability, in nats. Lower is better; guessing among k labels has log(k).

    A proper score, and what training brings down. One certain error weighs more than a hundred doubts, so ways that answer without
    probabilities, which count as certain, are far behind. Equal to scikit-learn's `log_loss`. `brier` has bounds.
    """

    name = "log_loss"
    version = 1
    higher_is_better = False
    unit = "nats"
    reads = "label"
    reads_scores = True
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The loss of each row."""
        from tailorlm.evaluation.sureness import probabilities

        chances = probabilities(predictions)
        right = chances[np.arange(len(chances)), predictions.codes()[0]]
        each = -np.log(np.clip(right, LEAST, 1.0))
        return Sums.mean(each)
