"""Spearman's rank correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics._base import BLOCK, Evidence, FloatArray, IntArray
from tailorlm.evaluation.metrics._numbers import both_sides

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Spearman:
    """How well answers put rows in the right order: the correlation of ranks, -1 to 1, ties at their mean rank.

    The field's score of sentence similarity and ratings; blind to scale and shift, so look at `mae` beside it. Where one side is the same
    for all rows it is 0 (scipy: undefined), where both are it is 1. Otherwise equal to scipy's `spearmanr`.
    """

    name = "spearman"
    version = 1
    higher_is_better = True
    unit = "rank correlation"
    reads = "number"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Both numbers of each row."""
        missing = np.array([value is None for value in predictions.predicted])
        return _Ranked(*both_sides(predictions), missing)


class _Ranked:
    def __init__(self, gold: FloatArray, predicted: FloatArray, missing: FloatArray):
        self.sides, self.missing = (gold, predicted), missing
        if not len(gold):
            raise TailorError("there are no rows to score", got="0 rows", allowed="at least one row")

    def score(self) -> float:
        """The value on all rows."""
        return float(self.resampled(np.arange(len(self.sides[0]))[None])[0])

    def resampled(self, index: IntArray) -> FloatArray:
        """The value on each resample, (B,)."""
        values = np.empty(len(index))
        step = max(1, BLOCK // max(1, index.shape[1]))
        for start in range(0, len(index), step):
            rows = index[start : start + step]
            gold, predicted = (_centred_ranks(side[rows]) for side in self.sides)
            spread = np.sqrt((gold**2).sum(axis=1) * (predicted**2).sum(axis=1))
            # Nothing to rank on either side counts as ranked right, unless an answer is missing.
            same = (gold == predicted).all(axis=1) & ((spread > 0) | ~self.missing[rows].any(axis=1))
            together = (gold * predicted).sum(axis=1) / np.where(spread > 0, spread, 1.0)
            values[start : start + step] = np.where(same, 1.0, np.clip(together, -1.0, 1.0))
        return values

    def left_out(self, rows: IntArray) -> FloatArray:
        """The value with each of these rows left out."""
        n = len(self.sides[0])
        values, everyone = np.empty(len(rows)), np.arange(n - 1)
        step = max(1, BLOCK // n)
        for start in range(0, len(rows), step):
            out = rows[start : start + step][:, None]
            values[start : start + step] = self.resampled(everyone + (everyone >= out))
        return values


def _centred_ranks(values: FloatArray) -> FloatArray:
    """Ranks of each row of (B, n), ties at their mean rank, less the middle rank."""
    from scipy.stats import rankdata

    ranks: FloatArray = rankdata(values, axis=1) - (values.shape[1] + 1) / 2
    return ranks
