"""Quadratic weighted kappa: agreement on a scale, beyond chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray, Sums
from tailorlm.evaluation.metrics._numbers import both_sides

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class QWK:
    """Agreement with gold beyond chance where being two steps off is four times as bad as one, -1 to 1; 0 is an answer that knows nothing.

    The field's score of ratings and graded essays (Cohen 1968). With squares it needs no steps: one less the mean squared difference over
    that of randomly paired answers, so answers between steps are scored too (Lin's concordance, 1989). Equal to scikit-learn's
    `cohen_kappa_score(weights="quadratic")` on whole steps. Unlike `spearman` it sees shift and scale; unlike `mae` it is not
    impressed by always answering the commonest step.
    """

    name = "qwk"
    version = 1
    higher_is_better = True
    unit = "agreement"
    reads = "number"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Both numbers of each row from the middle of gold, their squares and product."""
        gold, predicted = both_sides(predictions)
        middle = gold.mean() if len(gold) else 0.0
        gold, predicted = gold - middle, predicted - middle
        return Sums(
            np.stack([gold, predicted, (gold - predicted) ** 2, gold**2 + predicted**2, gold * 0 + 1], axis=1), _kappa
        )


def _kappa(sums: FloatArray) -> FloatArray:
    gold, predicted, off, squares, n = sums.T
    by_chance = squares / n - 2 * (gold / n) * (predicted / n)
    apart = off / n
    kappa: FloatArray = 1 - apart / np.where(by_chance > 1e-12, by_chance, 1.0)
    return np.where(by_chance > 1e-12, kappa, 1.0)
