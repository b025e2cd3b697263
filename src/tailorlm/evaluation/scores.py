"""The scores of predictions as they are kept: never a number alone, always with metric version, direction, interval and n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailorlm.evaluation.intervals import interval
from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.predictions import Predictions


def score_table(
    names: Sequence[str], seeds: Sequence[Predictions], *, level: float = 0.95
) -> dict[str, dict[str, Any]]:
    """Each metric's value over one or more seeds of the same way on the same rows, with its interval.

    Returns name to `value`, `low`, `high`, `level`, `n`, `per_seed`, `version`, `higher_is_better`.
    """
    table = {}
    for name in names:
        found = interval(name, seeds, level=level)
        metric = metric_of(name)
        singles = [metric.evidence(p).score() for p in seeds]
        table[name] = {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "level": found.level,
            "n": found.n,
            "per_seed": singles,
            "version": metric.version,
            "higher_is_better": metric.higher_is_better,
        }
    return table
