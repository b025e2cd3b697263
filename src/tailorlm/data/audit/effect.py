"""How much two or more samples differ, as numbers that do not grow with the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shift:
    """A difference: its size, which does not depend on how many rows there are, and the p-value, which does."""

    size: float
    p: float


def cliffs_delta(one: Sequence[float], other: Sequence[float]) -> Shift:
    """Cliff's delta of two samples, -1 to 1: P(one > other) - P(one < other), with the p of the Mann-Whitney test.

    0 and p = 1 where a sample is empty. By usage 0.15 is small, 0.33 medium, 0.47 large (Romano et al. 2006).
    """
    from scipy.stats import mannwhitneyu

    if not len(one) or not len(other):
        return Shift(0.0, 1.0)
    found = mannwhitneyu(one, other, alternative="two-sided", method="asymptotic")
    p = float(found.pvalue)
    return Shift(2 * float(found.statistic) / (len(one) * len(other)) - 1, p if p == p else 1.0)


def epsilon_squared(samples: Sequence[Sequence[float]]) -> Shift:
    """Epsilon squared of two or more samples, 0 to 1, with the p of the Kruskal-Wallis test.

    The share of the variation in rank that belonging to a sample explains. 0 and p = 1 where all values are equal, or
    fewer than two samples hold a value. By usage 0.04 is moderate, 0.16 strong, 0.36 very strong (Rea and Parker 1992).
    """
    from scipy.stats import kruskal

    filled = [sample for sample in samples if len(sample)]
    n = sum(len(sample) for sample in filled)
    if len(filled) < 2 or len({value for sample in filled for value in sample}) < 2:
        return Shift(0.0, 1.0)
    found = kruskal(*filled)
    # Without the part that chance alone explains, which grows with the number of samples.
    free = len(filled) - 1
    size = (float(found.statistic) - free) / (n - 1 - free) if n - 1 > free else 0.0
    return Shift(min(1.0, max(0.0, size)), float(found.pvalue))


def cramers_v(table: NDArray[np.integer]) -> Shift:
    """Cramér's V of a table of counts, 0 to 1, corrected for chance (Bergsma 2013), with the p of the chi-squared test.

    0 and p = 1 for a table with fewer than two lines or columns that hold anything. By usage 0.1 is small, 0.3 medium.
    """
    from scipy.stats import chi2_contingency

    kept = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(kept.shape) < 2:
        return Shift(0.0, 1.0)
    found = chi2_contingency(kept, correction=False)
    n, (lines, columns) = int(kept.sum()), kept.shape
    if n < 2:
        return Shift(0.0, 1.0)
    squared = max(0.0, float(found.statistic) / n - (lines - 1) * (columns - 1) / (n - 1))
    lines_left, columns_left = lines - (lines - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    room = min(lines_left, columns_left) - 1
    return Shift(min(1.0, (squared / room) ** 0.5) if room > 0 else 0.0, float(found.pvalue))


def effective_number(sizes: Sequence[int]) -> float:
    """How many equally large classes would be as even as these: the exponential of the entropy; 0 without rows."""
    counts = np.array([size for size in sizes if size > 0], dtype=np.float64)
    if not len(counts):
        return 0.0
    shares = counts / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rarefied(counts: Sequence[int], draws: int) -> float:
    """How many different words `draws` words would hold on average, for words that occur `counts` times."""
    total = sum(counts)
    if not total:
        return 0.0
    return float((1 - (1 - np.asarray(counts, dtype=np.float64) / total) ** draws).sum())
