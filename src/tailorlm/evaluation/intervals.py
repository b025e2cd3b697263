"""How sure a single score is: its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.evaluation.metrics._base import FloatArray, IntArray, Sums
from tailorlm.evaluation.predictions import Predictions
from tailorlm.evaluation.resampling import (
    SharedRows,
    bootstrap,
    check_settings,
    drawn_rows,
    seed_effect,
    seed_values,
    share_rows,
)

_FAR_OFF = 0.6
"""Standard errors by which resamples may lie to one side before BCa's correction does more harm than good: measured in
docs/studies/statistics.md ("Which interval")."""


@dataclass(frozen=True)
class Interval:
    """A score and how sure it is: the mean over `seeds` trained models on the same `n` test rows.

    `low` to `high` holds the score on endless rows of the same kind in `level` of all test sets. `method` says how it
    was found: "wilson", "bca" or "basic". `resamples` is 0 where nothing was resampled.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    resamples: int
    seeds: int
    method: str


def interval(
    metric: str | Metric,
    seeds: Sequence[Predictions],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The score of one way, averaged over one or more seeds on the same rows, with its interval.

    One seed of a metric that averages over rows (accuracy): Wilson's interval. Else the bias-corrected and accelerated
    bootstrap (BCa) with the rows as the resampling unit, the same rows for every seed; the basic bootstrap where the
    resamples lie far to one side of the value (many labels with few rows each), which BCa overcorrects.

    With several seeds the effect of training again is added, as draws from Student's t with as many degrees of freedom
    as the seeds give (`resampling.seed_effect`): resampling two or three seeds would understate it. So two seeds can
    give a wide interval (one degree of freedom), three are much better; one seed speaks of that one trained model only.

    Where no resample changes the value (say, every row is right), resampling has nothing to say: Wilson's interval at
    the effective number of rows, labels^2 / sum(1 / rows of the label) for metrics that average over labels.

    Where many labels have fewer than about four rows no interval of macro-F1 is good, since the score itself then lies
    below what endless rows would give: with 150 rows of 77 labels it covered in 77 of 100 cases.

    Errors: a TailorError for seeds on different rows, a UsageError for settings out of bounds.
    Sources: Wilson, JASA 22 (1927); Efron, JASA 82 (1987). Measured coverage: docs/studies/statistics.md; the plain
    percentile bootstrap covered macro-F1 with 20 labels of unequal size in 91 of 100 cases, BCa in 95.
    Instead: `statistics.compare` to tell two ways apart; overlapping intervals are not that test.
    """
    check_settings(level, resamples, seed)
    measure, rows = metric_of(metric), share_rows({"": seeds})
    values = seed_values(measure, rows)
    if wilson_fits(measure, rows, 0):
        return interval_of(measure, rows, 0, (values[0], np.zeros(0), np.zeros(0)), level)
    drawn = bootstrap(measure, rows, resamples, seed)
    effects = seed_effect(values, drawn).draw(resamples, seed)
    return interval_of(measure, rows, 0, (values[0], drawn[0].mean(axis=0), effects[0]), level)


def interval_of_mean(
    each: Sequence[float] | FloatArray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The mean of one number between 0 and 1 for each of n independent things (queries, say), with its interval.

    Found as `interval` finds that of a metric: Wilson's where all are 0 or 1, or resampling has nothing to say; else BCa, or the basic
    bootstrap where the resamples lie far to one side. Raises TailorError for none, UsageError for settings out of bounds.
    """
    check_settings(level, resamples, seed)
    evidence, numbers = Sums.mean(each), np.asarray(each, dtype=np.float64)
    value, n = evidence.score(), len(numbers)
    if np.isin(numbers, (0.0, 1.0)).all() or np.ptp(numbers) == 0.0:
        return Interval(value, *wilson(value, n, level), level, n, 0, 1, "wilson")
    drawn = np.concatenate([evidence.resampled(index) for _, index in drawn_rows(n, resamples, seed)])
    bias = resampled_bias(value, drawn)
    if abs(bias) > _FAR_OFF:
        (low, high), method = basic(value, drawn, level), "basic"
    else:
        left_out = evidence.left_out(np.arange(n)), np.ones(n, dtype=np.int64)
        (low, high), method = bca(value, drawn, left_out, bias, level), "bca"
    return Interval(value, max(0.0, low), min(1.0, high), level, n, len(drawn), 1, method)


def wilson_fits(metric: Metric, rows: SharedRows, way: int) -> bool:
    """Whether the score is a plain share of independent rows, which needs no resampling; like seeds count as one."""
    return metric.averages_over == "rows" and metric.unit == "fraction" and rows.steady(way)


def interval_of(
    metric: Metric, rows: SharedRows, way: int, sample: tuple[FloatArray, FloatArray, FloatArray], level: float
) -> Interval:
    """The interval of way number `way` from its values, resampled means and seed effects: (seeds,), (B,), (B,)."""
    values, drawn, effects = sample
    value, n, seeds = float(values.mean()), len(rows), len(values)
    if wilson_fits(metric, rows, way):
        return Interval(value, *wilson(value, n, level), level, n, 0, seeds, "wilson")
    if metric.unit == "fraction" and np.ptp(drawn) == 0.0 and not effects.any():
        low, high = wilson(value, _effective_rows(metric, rows), level)
        return Interval(value, low, high, level, n, len(drawn), seeds, "wilson")
    # Seed effects lie on both sides alike, so the bias is that of the rows alone.
    bias = resampled_bias(value, drawn)
    if abs(bias) > _FAR_OFF:
        (low, high), method = basic(value, drawn + effects, level), "basic"
    else:
        (low, high), method = bca(value, drawn + effects, leave_one_out(metric, rows, way), bias, level), "bca"
    if metric.unit == "fraction":
        low, high = max(0.0, low), min(1.0, high)
    return Interval(value, low, high, level, n, len(drawn), seeds, method)


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n independent rows: honest for small n and at shares of 0 and 1."""
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = float(np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)))) / (1 + z2 / n)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _effective_rows(metric: Metric, rows: SharedRows) -> float:
    if metric.averages_over != "labels":
        return float(len(rows))
    sizes = np.bincount(rows.gold)
    sizes = sizes[sizes > 0]
    return float(len(sizes) ** 2 / (1.0 / sizes).sum())


def resampled_bias(value: float, drawn: FloatArray) -> float:
    """How far resamples `drawn` (B,) lie below `value`, in standard errors: 0 when half of them do.

    Half a resample stays on either side, so that a value at the edge of its resamples has a finite bias.
    """
    below = np.count_nonzero(drawn < value - 1e-12) + 0.5 * np.count_nonzero(np.abs(drawn - value) <= 1e-12)
    return NormalDist().inv_cdf(min(max(below, 0.5), len(drawn) - 0.5) / len(drawn))


def basic(value: float, drawn: FloatArray, level: float) -> tuple[float, float]:
    """Basic bootstrap limits: the resamples `drawn` (B,), mirrored at the value."""
    high, low = 2 * value - np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), value), max(float(high), value)


def bca(
    value: float, drawn: FloatArray, left_out: tuple[FloatArray, IntArray], bias: float, level: float
) -> tuple[float, float]:
    """BCa limits from resamples (B,), leave-one-out values with how often each occurs, and the bias of the resamples.

    Source: Efron, "Better bootstrap confidence intervals", JASA 82 (1987). Equal to `scipy.stats.bootstrap`'s.
    """
    values, times = left_out
    pull = float(times @ values) / times.sum() - values
    spread = float(times @ pull**2)
    skew = float(times @ pull**3) / (6 * spread**1.5) if spread > 0 else 0.0
    normal = NormalDist()
    tails = [bias + normal.inv_cdf(tail) for tail in ((1 - level) / 2, (1 + level) / 2)]
    # With two or three rows the skewness can be absurd; the limits must stay on their own sides.
    shares = [normal.cdf(bias + tail / max(1 - skew * tail, 0.1)) for tail in tails]
    low, high = np.quantile(drawn, shares)
    return min(float(low), value), max(float(high), value)


def leave_one_out(metric: Metric, rows: SharedRows, way: int) -> tuple[FloatArray, IntArray]:
    """The mean over seeds with one row left out, once for each kind of row, and how often that kind occurs.

    Rows with equal gold and equal answers give the same value, so a few hundred kinds stand for any number of rows; for a metric that
    reads scores every row is of its own kind.
    """
    if len(rows) == 1:
        return np.zeros(1), np.ones(1, dtype=np.int64)
    if getattr(metric, "reads_scores", False):
        first, times = np.arange(len(rows)), np.ones(len(rows), dtype=np.int64)
    else:
        pairs = np.vstack([rows.gold, rows.predicted[way]])
        _, first, times = np.unique(pairs, axis=1, return_index=True, return_counts=True)
    each = [said.left_out(first) for said in rows.evidence(metric)[way]]
    return np.mean(each, axis=0), times
