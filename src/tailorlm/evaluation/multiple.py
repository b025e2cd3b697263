"""Many comparisons at once: p-values that stay honest when the best of K ways was picked by looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray

_NOTHING = 1e-12
"""Differences of scores below this are rounding."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of m p-values, in the order given: holds the chance of any false alarm.

    Choose it for p-values from unrelated sources (here: exact tests). Where resamples are at hand, `max_t` also uses
    how the ways hang together and finds more. Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Resampled:
    """K ways resampled: `values` (K,) on all rows, `drawn` (K, B) on the resamples of the rows (means over seeds).

    `effects` (K, B) are draws of each way's seed effect, `effect_variance` (K,) is their variance; zeros with one seed.
    """

    values: FloatArray
    drawn: FloatArray
    effects: FloatArray
    effect_variance: FloatArray

    def difference(self, first: int, second: int) -> float:
        """The difference of two ways on all rows; rounding is taken for no difference."""
        gap = float(self.values[first] - self.values[second])
        return gap if abs(gap) > _NOTHING else 0.0

    def off_centre(self, first: int, second: int) -> FloatArray:
        """How far the difference of two ways strays from its value, up or down, on each resample, (B,)."""
        gap = self.drawn[first] - self.drawn[second] - self.difference(first, second)
        strayed: FloatArray = np.abs(gap + self.effects[first] - self.effects[second])
        return strayed

    def spread(self, first: int, second: int) -> float:
        """Standard error of the difference of two ways: rows by resampling, seeds by their variance."""
        by_rows = float((self.drawn[first] - self.drawn[second]).var())
        return float(np.sqrt(by_rows + self.effect_variance[first] + self.effect_variance[second]))

    def p_value(self, first: int, second: int) -> float:
        """Two-sided p of one difference: how often a resample strays from it as far as it lies from zero, +1 each."""
        strayed = self.off_centre(first, second)
        reached = np.count_nonzero(strayed >= abs(self.difference(first, second)) - _NOTHING)
        return (1 + int(reached)) / (1 + len(strayed))


def max_t(resampled: Resampled) -> dict[tuple[int, int], float]:
    """p-values of all K (K - 1) / 2 differences, adjusted for looking at all of them and picking any: (i, j), i < j.

    Each difference is divided by its standard error; the adjusted p is how often the largest of the resampled
    (centred) ones reaches it, over all pairs not yet found to differ (step-down). All pairs are resampled together, so
    ways that err on the same rows cost less than Holm's or Bonferroni's correction would take. It holds the chance of
    any false alarm for whichever ways are in truth equal, and so covers having picked the best by looking.

    A pair with no difference has p = 1. Sources: Westfall and Young, "Resampling-Based Multiple Testing" (1993);
    Romano and Wolf, Econometrica 73 (2005); all pairs: Hothorn, Bretz and Westfall, Biometrical Journal 50 (2008).
    """
    pairs = list(combinations(range(len(resampled.values)), 2))
    spread = np.array([resampled.spread(i, j) for i, j in pairs])
    gap = np.array([abs(resampled.difference(i, j)) for i, j in pairs])
    fixed = spread <= _NOTHING
    ratio = np.where(fixed, np.where(gap > 0, np.inf, 0.0), gap / np.where(fixed, 1.0, spread))
    order = np.argsort(ratio, kind="stable")
    largest = np.zeros(resampled.drawn.shape[1])
    adjusted = np.empty(len(pairs))
    for place in order:
        if not fixed[place]:
            largest = np.maximum(largest, resampled.off_centre(*pairs[place]) / spread[place])
        adjusted[place] = (1 + np.count_nonzero(largest >= ratio[place] * (1 - 1e-9))) / (1 + len(largest))
    # A difference cannot be surer than one that stands out more.
    adjusted[order[::-1]] = np.maximum.accumulate(adjusted[order[::-1]])
    return dict(zip(pairs, adjusted.tolist()))
