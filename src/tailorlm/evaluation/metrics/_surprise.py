"""Evidence of metrics over nats, tokens and bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


def sums(predictions: Predictions, value: Callable[[FloatArray], FloatArray]) -> Sums:
    """The nats, tokens and bytes of each text; value: makes scores of their sums, (B, 3)."""
    rows = [[0.0, 0.0, 0.0] if answer is None else [float(one) for one in answer] for answer in predictions.predicted]
    return Sums(np.array(rows, dtype=np.float64).reshape(len(rows), 3), value)
