"""Counting labels row by row, where a row may have several."""

from __future__ import annotations

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray
from tailorlm.evaluation.predictions import Predictions


def set_counts(predictions: Predictions) -> FloatArray:
    """(rows, 3): labels that are right, gold labels, answered labels of each row."""
    rows = [
        (len(set(gold) & set(answer)), len(gold), len(answer))
        for gold, answer in zip(predictions.gold, predictions.predicted)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def label_counts(predictions: Predictions) -> tuple[list[str], FloatArray]:
    """The labels that gold or an answer has, sorted, and (rows, 3, labels) zeros and ones: right, gold, answered."""
    sides = (predictions.gold, predictions.predicted)
    names = sorted({label for side in sides for labels in side for label in labels})
    place = {label: i for i, label in enumerate(names)}
    counts = np.zeros((len(predictions), 3, len(names)))
    for which, side in enumerate(sides, 1):
        for row, labels in enumerate(side):
            counts[row, which, [place[label] for label in labels]] = 1
    counts[:, 0] = counts[:, 1] * counts[:, 2]
    return names, counts


def f1(counts: FloatArray) -> FloatArray:
    """F1 of (..., 3) counts: right, gold, answered; 1 where there is nothing to find and nothing was answered."""
    both = counts[..., 1] + counts[..., 2]
    return np.where(both > 0, 2 * counts[..., 0] / np.maximum(both, 1), 1.0)
