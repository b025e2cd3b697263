"""Mean average precision: whether rows that have a label are ranked before those that have not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics._base import BLOCK, Evidence, FloatArray, IntArray

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class MAP:
    """The area under precision against recall of each label, by its scores over all rows; the mean over labels that some row has, 0 to 1.

    It needs no threshold, so it says what a way knows before one is chosen; every label counts alike. Equal to scikit-learn's
    `average_precision_score(average="macro")` over those labels. Without scores an answered label counts as 1, any other as 0, and labels
    that were answered but no row has count 0. Where no row has a label it is 1 if none was answered.
    """

    name = "map"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "labels"
    reads_scores = True
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Scores and right labels of each row."""
        wanted, said = (_table(side, predictions.labels) for side in (predictions.gold, predictions.predicted))
        return _Ranked(wanted, said, predictions.scores)


class _Ranked:
    """wanted, said: (n, labels) ones for labels that a row has, and was given. scores: (n, labels), or None."""

    def __init__(self, wanted: FloatArray, said: FloatArray, scores: FloatArray | None):
        if not len(wanted):
            raise TailorError("there are no rows to score", got="0 rows", allowed="at least one row")
        self.n, self.answered = len(wanted), said.max(axis=1, initial=0.0)
        counted = wanted + said if scores is None else wanted
        given = said if scores is None else scores
        there = np.flatnonzero(counted.any(axis=0))
        self.labels = [(_ranking(wanted[:, k], given[:, k]), counted[:, k]) for k in there]

    def score(self) -> float:
        """The value on all rows."""
        return float(self._values(np.ones((1, self.n)))[0])

    def resampled(self, index: IntArray) -> FloatArray:
        """The value on each resample, (B,)."""
        values = np.empty(len(index))
        step = max(1, BLOCK // max(1, self.n))
        for start in range(0, len(index), step):
            rows = index[start : start + step]
            at = rows + np.arange(len(rows))[:, None] * self.n
            times = np.bincount(at.ravel(), minlength=len(rows) * self.n).reshape(len(rows), self.n)
            values[start : start + step] = self._values(times.astype(np.float64))
        return values

    def left_out(self, rows: IntArray) -> FloatArray:
        """The value with each of these rows left out."""
        values = np.empty(len(rows))
        step = max(1, BLOCK // self.n)
        for start in range(0, len(rows), step):
            out = rows[start : start + step]
            times = np.ones((len(out), self.n))
            times[np.arange(len(out)), out] = 0.0
            values[start : start + step] = self._values(times)
        return values

    def _values(self, times: FloatArray) -> FloatArray:
        """The value where row i stands times[b, i] times, (B,)."""
        total, found = np.zeros(len(times)), np.zeros(len(times))
        for (order, hits, ends), counted in self.labels:
            drawn = times.take(order, axis=1)
            here = drawn.take(hits, axis=1)
            before = np.cumsum(drawn, axis=1).take(ends, axis=1)
            # Equal scores are one threshold: what stands at its end counts for all of its rows.
            right = np.cumsum(here, axis=1).take(np.searchsorted(hits, ends, side="right") - 1, axis=1)
            amount = here.sum(axis=1)
            precision = np.where(before > 0, right / np.maximum(before, 1.0), 0.0)
            total += np.where(amount > 0, (here * precision).sum(axis=1) / np.maximum(amount, 1.0), 0.0)
            found += times @ counted > 0
        none = (times @ self.answered == 0).astype(np.float64)
        return np.where(found > 0, total / np.maximum(found, 1.0), none)


def _ranking(wanted: FloatArray, scores: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Rows by falling score; the places of those with the label; for each of these the last place of an equal score."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    hits = np.flatnonzero(wanted[order])
    ends = np.searchsorted(-falling, -falling[hits], side="right") - 1
    return order, hits, ends


def _table(side: tuple[list[str], ...], labels: tuple[str, ...]) -> FloatArray:
    place = {label: code for code, label in enumerate(labels)}
    table = np.zeros((len(side), len(labels)))
    for row, some in enumerate(side):
        table[row, [place[label] for label in some]] = 1.0
    return table
