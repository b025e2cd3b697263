"""Bits per byte: how unexpected a text was, whatever the tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray
from tailorlm.evaluation.metrics._surprise import sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class BitsPerByte:
    """Bits that a model needs for a byte of these texts: the sum of -log2 p over all tokens by the bytes of all texts. Lower is better.

    Comparable between any two models, since bytes are the same for all; `perplexity` only between those that cut text alike. 8 is guessing.
    """

    name = "bits_per_byte"
    version = 1
    higher_is_better = False
    unit = "bits a byte"
    reads = "surprise"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Nats and bytes of each text."""
        return sums(predictions, _bits)


def _bits(total: FloatArray) -> FloatArray:
    return total[:, 0] / math.log(2) / np.maximum(total[:, 2], 1)
