"""Perplexity: how many tokens a model wavers between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray
from tailorlm.evaluation.metrics._surprise import sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

# e to more than this is no number any more.
LARGEST = 700.0


class Perplexity:
    """e to the mean surprise of a token, over all tokens of all texts. Lower is better; 1 is certainty.

    Comparable only between models with the same tokenizer; `bits_per_byte` between all of them.
    """

    name = "perplexity"
    version = 1
    higher_is_better = False
    unit = "perplexity"
    reads = "surprise"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Nats and tokens of each text."""
        return sums(predictions, _perplexity)


def _perplexity(total: FloatArray) -> FloatArray:
    return np.exp(np.minimum(total[:, 0] / np.maximum(total[:, 1], 1), LARGEST))
