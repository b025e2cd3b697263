"""Counting spans row by row: found, asked for, answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, Sums
from tailorlm.evaluation.predictions import Predictions


def span_counts(predictions: Predictions, hits: Callable[[Any, Any], int]) -> FloatArray:
    """(rows, 3): spans found, gold spans, predicted spans of each row."""
    rows = [
        (hits(gold, answer), len(gold), len(answer)) for gold, answer in zip(predictions.gold, predictions.predicted)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def strict(gold: Any, predicted: Any) -> int:
    """Spans with equal edges and equal type."""
    return sum((Counter(map(tuple, gold)) & Counter(map(tuple, predicted))).values())


def overlapping(gold: Any, predicted: Any) -> int:
    """Pairs of spans of one type that share a character, each span in one pair at most, longest overlaps first."""
    found = sorted(
        (
            (min(g[1], p[1]) - max(g[0], p[0]), -i, -j)
            for i, g in enumerate(gold)
            for j, p in enumerate(predicted)
            if g[2] == p[2] and min(g[1], p[1]) > max(g[0], p[0])
        ),
        reverse=True,
    )
    left: set[int] = set()
    right: set[int] = set()
    for _, i, j in found:
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
    return len(left)


def f1_of(parts: FloatArray) -> Sums:
    """F1 over all spans together; 1 where there is nothing to find and nothing was answered, 0 where only one side has any."""

    def value(sums: FloatArray) -> FloatArray:
        both = sums[:, 1] + sums[:, 2]
        return np.where(both > 0, 2 * sums[:, 0] / np.maximum(both, 1), 1.0)

    return Sums(parts, value)


def share_of(parts: FloatArray, column: int) -> Sums:
    """Spans found as a share of those of `column`; 0 where it has none and the other side has some, 1 where neither has any."""

    def value(sums: FloatArray) -> FloatArray:
        whole = sums[:, column]
        empty = np.where(sums[:, 1] + sums[:, 2] > 0, 0.0, 1.0)
        return np.where(whole > 0, sums[:, 0] / np.maximum(whole, 1), empty)

    return Sums(parts, value)
