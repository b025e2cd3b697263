"""The comparison: K ways on the same test rows, the best, and which others cannot be told apart from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.evaluation.intervals import Interval, interval, interval_of
from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.evaluation.metrics._base import FloatArray
from tailorlm.evaluation.multiple import Resampled, holm, max_t
from tailorlm.evaluation.paired import least_p, sign_flip
from tailorlm.evaluation.predictions import Predictions
from tailorlm.evaluation.resampling import (
    SharedRows,
    bootstrap,
    check_settings,
    seed_effect,
    seed_values,
    share_rows,
)

Verdict: TypeAlias = Literal["best", "cannot be told apart", "worse"]


@dataclass(frozen=True)
class AgainstBest:
    """One way against the best one.

    `difference` is its score less the best one's (at most 0 where higher is better), `low` to `high` the interval of
    that one difference, not widened for having looked at K ways. `p_bootstrap` belongs to the interval, `p_mcnemar` is
    exact and about right or wrong rows whatever the metric. `p_adjusted` accounts for all pairs of ways and for having
    picked the best; the verdict rests on it alone. `p_mcnemar_adjusted` is Holm's over the K - 1 against the best.
    `rows_lost` and `rows_won`: rows that only the best, or only this way, gets right (more of its seeds, if several).
    """

    name: str
    difference: float
    low: float
    high: float
    p_bootstrap: float
    p_adjusted: float
    p_mcnemar: float
    p_mcnemar_adjusted: float
    rows_lost: int
    rows_won: int
    verdict: Verdict


@dataclass(frozen=True)
class Pair:
    """Two ways: `difference` is the score of `first` less that of `second`; `p_adjusted` accounts for all pairs."""

    first: str
    second: str
    difference: float
    p_bootstrap: float
    p_adjusted: float


@dataclass(frozen=True)
class Comparison:
    """K ways on the same `n` test rows. Says what was computed and how, so that no number stands alone.

    `best`: the way of the best score (of equal ones the first by name). `scores`: each way's score and interval, best
    first. `against_best`: every other way against the best, in the order of `scores`. `pairs`: all pairs, by name.
    """

    metric: str
    metric_version: int
    higher_is_better: bool
    unit: str
    n: int
    level: float
    resamples: int
    seed: int
    best: str
    scores: Mapping[str, Interval]
    against_best: Mapping[str, AgainstBest]
    pairs: tuple[Pair, ...]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on every way, best score first."""
        return {name: self.verdict(name) for name in self.scores}

    def verdict(self, name: str) -> Verdict:
        """'best', 'cannot be told apart' (from the best) or 'worse'; an unknown name is a UsageError."""
        if name not in self.scores:
            raise unknown_name("way", name, self.scores)
        return "best" if name == self.best else self.against_best[name].verdict

    @property
    def not_worse(self) -> list[str]:
        """The best way and those that cannot be told apart from it, best score first."""
        return [name for name, verdict in self.verdicts.items() if verdict != "worse"]

    def pair(self, first: str, second: str) -> Pair:
        """Two ways, `first` less `second`, whichever way round they are kept; an unknown name is a UsageError."""
        for name in (first, second):
            if name not in self.scores:
                raise unknown_name("way", name, self.scores)
        if first == second:
            raise UsageError(f"'{first}' is compared with itself", allowed="two different ways")
        for pair in self.pairs:
            if (pair.first, pair.second) == (first, second):
                return pair
        kept = self.pair(second, first)
        return Pair(first, second, -kept.difference, kept.p_bootstrap, kept.p_adjusted)

    def plain(self) -> dict[str, Any]:
        """Everything as plain data for JSON, verdicts included."""
        return {**asdict(self), "verdicts": self.verdicts}


def compare(
    metric: str | Metric,
    ways: Mapping[str, Sequence[Predictions]],
    *,
    resamples: int = 4000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare K ways, each with one or more seeds, on the same test rows (equal ids and gold labels, in one order).

    Rows are resampled, the same for every way (paired bootstrap): what is hard is hard for all, so differences are far
    surer than two intervals side by side suggest. p-values are two-sided, from differences centred at the one seen,
    and never below what the number of rows that tell two ways apart can prove (`paired.least_p`).

    With several seeds, what training again would change is added as draws from Student's t, its variance pooled over
    the ways (`resampling.seed_effect`). A way with one seed is judged as the one model that it is: its score may be
    luck of that seed, which no test on rows can see. Give each way three seeds or more where it matters.

    A way is 'worse' when `p_adjusted` < 1 - `level`, else it 'cannot be told apart' from the best: not the same as
    being equally good, only that these rows do not show otherwise. The differences to the best lean towards too large,
    since the best was picked on the same rows. Where many labels have fewer than about four rows, verdicts by macro-F1
    are too bold (11 false alarms in 100 with nine ways, 300 rows and 77 labels): take accuracy, or more rows.

    The result depends on `seed` but not on the order of `ways`. Errors: a TailorError that names the first row when
    ways were scored on different rows; a UsageError for an unknown metric or settings out of bounds.
    Measured: docs/studies/statistics.md (false alarms, power, coverage; `python benchmarks/statistics_check.py`).
    Sources: those of `multiple.max_t` and `paired.mcnemar`; Koehn, EMNLP 2004, for the paired bootstrap of scores.
    """
    check_settings(level, resamples, seed)
    measure, rows = metric_of(metric), share_rows(ways)
    values = seed_values(measure, rows)
    drawn = bootstrap(measure, rows, resamples, seed)
    effect = seed_effect(values, drawn)
    resampled = Resampled(
        np.array([value.mean() for value in values]),
        np.stack([one.mean(axis=0) for one in drawn]),
        effect.draw(resamples, seed),
        effect.variance,
    )
    sign = 1.0 if measure.higher_is_better else -1.0
    # Rounding: equal scores must not be ordered by the order of a sum.
    ranked = sorted(range(len(values)), key=lambda way: (-sign * round(float(resampled.values[way]), 12), way))
    pairs = _all_pairs(rows, resampled)
    scores = {rows.names[way]: _score(measure, rows, resampled, values, way, level) for way in ranked}
    return Comparison(
        metric=measure.name,
        metric_version=measure.version,
        higher_is_better=measure.higher_is_better,
        unit=measure.unit,
        n=len(rows),
        level=level,
        resamples=resamples,
        seed=seed,
        best=rows.names[ranked[0]],
        scores=scores,
        against_best=_against_best(rows, resampled, pairs, ranked, level),
        pairs=tuple(pairs.values()),
    )


def _score(
    metric: Metric, rows: SharedRows, resampled: Resampled, values: Sequence[FloatArray], way: int, level: float
) -> Interval:
    sample = (values[way], resampled.drawn[way], resampled.effects[way])
    return interval_of(metric, rows, way, sample, level)


def _all_pairs(rows: SharedRows, resampled: Resampled) -> dict[tuple[int, int], Pair]:
    pairs = {}
    for (i, j), adjusted in max_t(resampled).items():
        floor = least_p(rows.rows_that_differ(i, j))
        alone = max(floor, resampled.p_value(i, j))
        # Adjusting for more questions cannot make one surer; resampling noise must not look as if it did.
        adjusted = max(alone, adjusted)
        pairs[i, j] = Pair(rows.names[i], rows.names[j], resampled.difference(i, j), alone, adjusted)
    return pairs


def _against_best(
    rows: SharedRows,
    resampled: Resampled,
    pairs: Mapping[tuple[int, int], Pair],
    ranked: Sequence[int],
    level: float,
) -> dict[str, AgainstBest]:
    best, others = ranked[0], ranked[1:]
    right = [rows.right(way) for way in range(len(rows.names))]
    seeds = [len(codes) for codes in rows.predicted]
    exact = [sign_flip(right[best], right[way], (seeds[best], seeds[way])) for way in others]
    found = {}
    for way, p_exact, p_holm in zip(others, exact, holm(exact)):
        pair = pairs[min(best, way), max(best, way)]
        gap = resampled.difference(way, best)
        half = float(np.quantile(resampled.off_centre(way, best), level))
        if pair.p_bootstrap > 1 - level:
            half = max(half, abs(gap))
        lead = right[best] * seeds[way] - right[way] * seeds[best]
        name = rows.names[way]
        found[name] = AgainstBest(
            name=name,
            difference=gap,
            low=gap - half,
            high=gap + half,
            p_bootstrap=pair.p_bootstrap,
            p_adjusted=pair.p_adjusted,
            p_mcnemar=p_exact,
            p_mcnemar_adjusted=p_holm,
            rows_lost=int(np.count_nonzero(lead > 0)),
            rows_won=int(np.count_nonzero(lead < 0)),
            verdict="worse" if pair.p_adjusted < 1 - level else "cannot be told apart",
        )
    return found


__all__ = ["AgainstBest", "Comparison", "Interval", "Pair", "Verdict", "compare", "interval"]
