"""Which way to take: the cheapest of those that these rows cannot tell apart from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation.statistics import Comparison
from tailorlm.evaluation.wording import metric_words

_SAME_COST = 1.10
"""Seconds within a tenth are the same cost: timings of the same work differ as much from run to run. So are bytes."""


@dataclass(frozen=True)
class Cost:
    """What a way costs, measured. Errors: a UsageError for a number that is negative or not finite.

    `fit_seconds`: all fitting, the search for settings included; `last_fit_seconds`: the last fit alone.
    `predict_ms_per_row`: milliseconds to answer one row. `peak_memory_bytes`: while fitting. `trainable_parameters`:
    how many weights learn. `stored_bytes`: what has to be kept and shipped beside the base model. `paid_per_1000_rows`: what a hosted model
    charges for 1,000 answers, in the currency of its prices.
    """

    fit_seconds: float
    last_fit_seconds: float
    predict_ms_per_row: float
    peak_memory_bytes: int
    trainable_parameters: int
    stored_bytes: int
    paid_per_1000_rows: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"the cost `{field.name}` is out of bounds", got=f"{value}", allowed="0 or more")

    def seconds(self, volume: int) -> float:
        """Seconds to fit and then answer `volume` rows."""
        return self.fit_seconds + self.predict_ms_per_row / 1000 * volume


@dataclass(frozen=True)
class Recommendation:
    """The way to take, and why, in one sentence with the numbers."""

    name: str
    reason: str


def recommend(comparison: Comparison, cost: Mapping[str, Cost], *, volume: int = 10_000) -> Recommendation:
    """The cheapest way among the best and those that cannot be told apart from it.

    Cheapest: fewest seconds to fit and answer `volume` rows; ways within a tenth of the fewest count as equally cheap.
    Of those the fewest stored bytes decide, again within a tenth, and where that is equal too the better score. Memory does
    not count: a way that ran fits the machine. Errors: a TailorError when a candidate has no cost, a UsageError for a negative volume.
    Instead: take `comparison.best` when a point of score is worth any cost; more test rows tell more ways apart.
    """
    if volume < 0:
        raise UsageError("the number of rows to answer is negative", got=str(volume), allowed="0 or more")
    candidates = comparison.not_worse
    missing = [name for name in candidates if name not in cost]
    if missing:
        raise TailorError(f"no cost is known for {', '.join(missing)}", hint="give a Cost for every way compared")
    seconds = {name: cost[name].seconds(volume) for name in candidates}
    fewest = min(seconds.values())
    cheap = [name for name in candidates if seconds[name] <= fewest * _SAME_COST]
    least = min(cost[name].stored_bytes for name in cheap)
    # `candidates`, and so `cheap`, stand in the order of their scores, best first.
    chosen = next(name for name in cheap if cost[name].stored_bytes <= least * _SAME_COST)
    return Recommendation(chosen, _reason(comparison, cost, chosen, volume))


def _reason(comparison: Comparison, cost: Mapping[str, Cost], chosen: str, volume: int) -> str:
    candidates, best = comparison.not_worse, comparison.best
    head = f"{chosen}: {comparison.scores[chosen].value:.3f} {metric_words(comparison.metric)}"
    if len(comparison.scores) == 1:
        return f"{head}, the only way compared."
    if len(candidates) == 1:
        return f"{head}, the only way that is not worse than the best; {_runner_up(comparison)}."
    if chosen == best:
        others = len(candidates) - 1
        rest = "the one other way" if others == 1 else f"any of the {others} ways"
        bill = _seconds(cost[chosen].seconds(volume))
        return (
            f"{head}, the best, and no dearer than {rest} that cannot be told apart from it "
            f"({bill} to fit and to answer {volume:,} rows)."
        )
    against = comparison.against_best[chosen]
    gap = f"difference {_points(comparison, against.difference)}, {_p(against.p_adjusted)}"
    top = f"{best}, {comparison.scores[best].value:.3f}; {gap}"
    return f"{head} cannot be told apart from the best ({top}) and {_saving(cost[chosen], cost[best], volume)}."


def _runner_up(comparison: Comparison) -> str:
    second = next(iter(comparison.against_best.values()))
    gap = f"{_points(comparison, second.difference)}, {_p(second.p_adjusted)}"
    return f"next is {second.name}, {comparison.scores[second.name].value:.3f} (difference {gap})"


def _saving(chosen: Cost, best: Cost, volume: int) -> str:
    mine, theirs = chosen.seconds(volume), best.seconds(volume)
    if theirs > mine * _SAME_COST:
        if chosen.fit_seconds * _SAME_COST < best.fit_seconds:
            return f"takes {_seconds(chosen.fit_seconds)} to fit instead of {_seconds(best.fit_seconds)}"
        return f"takes {_seconds(mine)} to fit and to answer {volume:,} rows instead of {_seconds(theirs)}"
    if chosen.stored_bytes < best.stored_bytes:
        return f"takes as long but stores {_bytes(chosen.stored_bytes)} instead of {_bytes(best.stored_bytes)}"
    return f"costs as little ({_seconds(mine)} to fit and to answer {volume:,} rows)"


def _points(comparison: Comparison, difference: float) -> str:
    size = abs(difference)
    return f"{100 * size:.1f} points" if comparison.unit == "fraction" else f"{size:.3g} {comparison.unit}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _seconds(value: float) -> str:
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    if value >= 300:
        return f"{value / 60:.0f} min"
    return f"{value:.0f} s" if value >= 9.95 else f"{value:.2g} s"


def _bytes(size: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
