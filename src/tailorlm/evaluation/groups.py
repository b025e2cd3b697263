"""How answers fare on parts of the rows: long and short texts, slices, rare and frequent labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailorlm.evaluation.intervals import interval
from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.predictions import Predictions

RESAMPLES = 400
"""Of the interval of each part: enough to say whether parts differ, and parts are many."""


def by_group(
    metric: str,
    ways: Mapping[str, Predictions],
    groups: Sequence[str],
    order: Sequence[str],
    *,
    chosen: str,
    level: float,
) -> list[dict[str, Any]]:
    """The score of every way on the rows of each group, with the interval of the way `chosen`, in the order given; groups without rows are left out.

    ways: predictions of the same rows. groups: the group of each row. A difference between groups is one of their rows as much as of the
    way: other labels, other wording. It says where to look, and is no test.
    """
    measure, found = metric_of(metric), []
    for name in order:
        index = [i for i, group in enumerate(groups) if group == name]
        if not index:
            continue
        parts = {way: _rows(predictions, index) for way, predictions in ways.items()}
        around = interval(measure, [parts[chosen]], level=level, resamples=RESAMPLES)
        scores = {way: measure.evidence(part).score() for way, part in parts.items()}
        found.append({"group": name, "n": len(index), "scores": scores, "low": around.low, "high": around.high})
    return found


def _rows(predictions: Predictions, index: Sequence[int]) -> Predictions:
    ids, gold, predicted = (
        tuple(column[i] for i in index) for column in (predictions.ids, predictions.gold, predictions.predicted)
    )
    scores = predictions.scores[list(index)] if predictions.scores is not None else None
    return replace(predictions, ids=ids, gold=gold, predicted=predicted, scores=scores)
