"""Expected calibration error: how far sureness lies from the share that is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class ECE:
    """The gap between how sure answers are and how often they are right, over 15 bins of equal width, weighted by rows. Lower is better.

    Source: Naeini et al. 2015; bins as Guo et al. 2017 (arXiv:1706.04599). It is never below what chance alone brings (about 0.03 with 500
    rows), so compare it between ways on the same rows, and see the reliability picture for where the gap lies. A way without scores counts as
    certain of every answer. `brier` and `log_loss` also see whether sureness tells right from wrong.
    """

    name = "ece"
    version = 1
    higher_is_better = False
    unit = "fraction"
    reads = "label"
    reads_scores = True
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Right less sure of each row, in the column of its bin."""
        from tailorlm.evaluation.sureness import BINS, best_answers, bins_of

        sure, right = best_answers(predictions)
        parts = np.zeros((len(sure), BINS + 1))
        parts[np.arange(len(sure)), bins_of(sure)] = right - sure
        parts[:, BINS] = 1.0
        return Sums(parts, _mean_gap)


def _mean_gap(sums: FloatArray) -> FloatArray:
    gaps: FloatArray = np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]
    return gaps
