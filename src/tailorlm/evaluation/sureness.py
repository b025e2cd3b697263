"""Whether answers are as right as they are sure: probabilities of predictions, reliability by bins, coverage against accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tailorlm.core.marks import NONE_OF_THESE
from tailorlm.evaluation.metrics._base import FloatArray, IntArray
from tailorlm.evaluation.predictions import Predictions

BINS = 15
"""Bins of equal width over [0, 1], as Guo et al. 2017 have them. Bins of equal mass have a smaller bias, but move with every resample."""
POINTS = 60
"""Points of a curve that are kept at most."""


def probabilities(predictions: Predictions) -> FloatArray:
    """The probability of every label (kind `label`), (n, labels): the scores, through a softmax where they are none yet.

    Where there are no scores the given answer stands with certainty.
    """
    scores = predictions.scores
    if scores is None:
        place = {label: code for code, label in enumerate(predictions.labels)}
        sure = np.zeros((len(predictions), len(place)))
        sure[np.arange(len(sure)), [place[answer] for answer in predictions.predicted]] = 1.0
        return sure
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1.0, atol=1e-6):
        return scores
    powers: FloatArray = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def best_answers(predictions: Predictions) -> tuple[FloatArray, FloatArray]:
    """How sure the best answer of each row is, and whether it is right, (n,) each; given or held back, for kind `label`."""
    chances = probabilities(predictions)
    best = chances.argmax(axis=1)
    gold, given = predictions.codes()
    answered = np.array([answer != NONE_OF_THESE for answer in predictions.predicted])
    best = np.where(answered, given, best)  # of equal ones, the one that was given
    return chances[np.arange(len(best)), best], (best == gold).astype(np.float64)


def single_decisions(predictions: Predictions) -> tuple[FloatArray, FloatArray] | None:
    """The chance that each label applies and whether it does, (n * labels,) each, for kind `labels`; None without scores."""
    if predictions.scores is None:
        return None
    place = {label: code for code, label in enumerate(predictions.labels)}
    applies = np.zeros(predictions.scores.shape)
    for row, some in enumerate(predictions.gold):
        applies[row, [place[label] for label in some]] = 1.0
    return np.clip(predictions.scores, 0.0, 1.0).ravel(), applies.ravel()


def bins_of(sure: FloatArray) -> IntArray:
    """The bin of each, (n,): 0 to `BINS` - 1, a border belonging to the bin below it."""
    return np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)


def reliability(sure: FloatArray, right: FloatArray, *, what: str) -> dict[str, Any]:
    """How often answers of each sureness are right: `bins` with rows, mean sureness, share right and its 95% interval; `ece`, `what` is counted."""
    from tailorlm.evaluation.intervals import wilson

    where, found, gap = bins_of(sure), [], 0.0
    for place in range(BINS):
        here = where == place
        n = int(here.sum())
        if not n:
            continue
        share, mean = float(right[here].mean()), float(sure[here].mean())
        low, high = wilson(share, n, 0.95)
        gap += abs(share - mean) * n
        found.append({"n": n, "sure": mean, "right": share, "low": low, "high": high})
    return {
        "what": what,
        "n": len(sure),
        "sure": float(sure.mean()),
        "right": float(right.mean()),
        "ece": gap / len(sure),
        "bins": found,
    }


def coverage(predictions: Predictions) -> dict[str, Any]:
    """What is right among the surest answers: `points` (coverage, accuracy, bar), `area` under the errors, and what was answered here.

    A point says: answering only where the best label has at least the probability `bar` covers that share of rows, of which that share
    is right. Equally sure rows are answered together. `area`: the mean error over all coverages (AURC; El-Yaniv and Wiener 2010).
    """
    from tailorlm.evaluation.intervals import wilson

    sure, right = best_answers(predictions)
    order = np.argsort(-sure, kind="stable")
    falling, hits = sure[order], right[order].cumsum()
    counts = np.arange(1, len(hits) + 1)
    ends = np.flatnonzero(np.append(falling[1:], -1.0) < falling)
    some = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))]
    given = np.array([answer != NONE_OF_THESE for answer in predictions.predicted])
    n, good = int(given.sum()), int(right[given].sum())
    low, high = wilson(good / n, n, 0.95) if n else (0.0, 1.0)
    return {
        "points": [
            {"coverage": float(counts[i] / len(hits)), "accuracy": float(hits[i] / counts[i]), "bar": float(falling[i])}
            for i in some
        ],
        "area": float((1 - hits / counts).mean()),
        "answered": n,
        "of": len(hits),
        "right": good / n if n else None,
        "low": low,
        "high": high,
    }
