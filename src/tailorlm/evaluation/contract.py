"""What every metric and every kind of answers must hold to, ours and other people's: one suite over everything registered."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from tailorlm.core.errors import CheckError
from tailorlm.evaluation.kinds import AnswerKind, kind_of, kinds
from tailorlm.evaluation.metrics import Metric, fits, metrics
from tailorlm.evaluation.predictions import Predictions


def check_metric(name: str) -> None:
    """Hold the registered metric `name` to the contract of `metrics.Metric`; a CheckError says what it breaks.

    It is run over every registered name by `tests/evaluation/test_metrics.py`; call it in the tests of a package that
    registers a metric of its own under the entry-point group `tailorlm.metrics`.
    """
    metric = metrics.get(name)()
    _describes_itself(name, metric)
    values = []
    for predictions in (case for kind in kinds if fits(metric, kind) for case in kind_of(kind).cases()):
        values.append((_quality(predictions), _is_a_set_function(metric, predictions)))
        _resamples_alike(metric, predictions)
        if predictions.kind == "label":
            _knows_no_names(metric, predictions)
    _knows_right_from_wrong(metric, values)


def check_kind(name: str) -> None:
    """Hold the registered kind of answers `name` to the contract of `kinds.AnswerKind`; a CheckError says what it breaks."""
    kind = kinds.get(name)()
    if not isinstance(kind, AnswerKind) or kind.name != name:
        raise CheckError(f"the kind of answers '{name}' lacks a part of AnswerKind, or its name", got=f"{kind!r}")
    found = list(kind.cases())
    qualities = {_quality(predictions) for predictions in found}
    for holds, what in (
        (all(predictions.kind == name for predictions in found), "a case is of another kind"),
        ({0.0, 1.0} <= qualities, "no case is all right, or none is all wrong"),
        (any(len(predictions) == 1 for predictions in found), "no case has one row"),
    ):
        if not holds:
            raise CheckError(f"the kind of answers '{name}' breaks its contract: {what}")
    for predictions in found:
        json.dumps([predictions.gold, predictions.predicted, kind.tables(predictions)], allow_nan=False)
        for value in predictions.predicted:
            if "\n" in kind.shown(value):
                raise CheckError(f"the kind of answers '{name}' shows an answer on two lines")


def _quality(predictions: Predictions) -> float:
    kind = kind_of(predictions.kind)
    right = [kind.right(gold, answer) for gold, answer in zip(predictions.gold, predictions.predicted, strict=True)]
    return sum(right) / len(right)


def _demand(holds: bool, metric: Metric, what: str, got: object = None) -> None:
    if not holds:
        raise CheckError(
            f"the metric '{metric.name}' breaks its contract: {what}", got=None if got is None else f"{got}"
        )


def _describes_itself(name: str, metric: Metric) -> None:
    if not isinstance(metric, Metric):
        raise CheckError(f"the metric '{name}' lacks a part of tailorlm.evaluation.metrics.Metric", got=f"{metric!r}")
    _demand(metric.name == name, metric, f"it is registered as '{name}'")
    _demand(isinstance(metric.version, int) and metric.version >= 1, metric, "`version` is a number from 1")
    _demand(isinstance(metric.higher_is_better, bool), metric, "`higher_is_better` is True or False")
    _demand(isinstance(metric.unit, str) and bool(metric.unit), metric, "`unit` is a word")
    _demand(metric.reads in kinds, metric, "`reads` is a registered kind of answers", metric.reads)
    allowed = ("rows", "labels", "parts")
    _demand(metric.averages_over in allowed, metric, f"`averages_over` is one of {', '.join(allowed)}")


def _is_a_set_function(metric: Metric, predictions: Predictions) -> float:
    value = metric.evidence(predictions).score()
    _demand(isinstance(value, float) and bool(np.isfinite(value)), metric, "a score is a finite float", value)
    if metric.unit == "fraction":
        _demand(0.0 <= value <= 1.0, metric, "a fraction lies in [0, 1]", value)
    order = np.random.default_rng(1).permutation(len(predictions))
    moved = metric.evidence(_rows(predictions, order.tolist())).score()
    _demand(_close(moved, value), metric, "the order of rows changes the score", f"{value} and {moved}")
    return value


def _knows_no_names(metric: Metric, predictions: Predictions) -> None:
    value, labels = metric.evidence(predictions).score(), predictions.labels
    order = np.random.default_rng(1).permutation(len(labels))
    renamed = dict(zip(labels, (labels[i] for i in order), strict=True))
    gold, predicted = ([renamed[label] for label in side] for side in (predictions.gold, predictions.predicted))
    other = metric.evidence(replace(predictions, gold=tuple(gold), predicted=tuple(predicted), scores=None)).score()
    _demand(_close(other, value), metric, "renaming labels changes the score", f"{value} and {other}")
    wider = metric.evidence(replace(predictions, labels=(*labels, "\U0010ffff 1", "\U0010ffff 2"), scores=None)).score()
    _demand(_close(wider, value), metric, "labels that do not occur change the score", f"{value} and {wider}")


def _resamples_alike(metric: Metric, predictions: Predictions) -> None:
    rng, n = np.random.default_rng(2), len(predictions)
    evidence = metric.evidence(predictions)
    for width in {n, max(1, n - 1)}:
        index = rng.integers(0, n, (25, width))
        quick = evidence.resampled(index)
        _demand(quick.shape == (25,), metric, "`resampled` gives one value for each resample", quick.shape)
        plain = [metric.evidence(_rows(predictions, rows)).score() for rows in index.tolist()]
        _demand(_all_close(quick, plain), metric, "`resampled` differs from `score`")
    none = evidence.resampled(np.zeros((0, n), dtype=np.int64))
    _demand(none.shape == (0,), metric, "no resamples give no values", none.shape)
    if n > 1:
        rows = np.unique(rng.integers(0, n, 6))
        left = evidence.left_out(rows)
        plain = [metric.evidence(_rows(predictions, [i for i in range(n) if i != out])).score() for out in rows]
        _demand(_all_close(left, plain), metric, "`left_out` differs from `score`")
    again = metric.evidence(predictions).score()
    _demand(again == evidence.score(), metric, "scoring changes the rows it was given")


def _knows_right_from_wrong(metric: Metric, values: list[tuple[float, float]]) -> None:
    right, wrong = ([value for quality, value in values if quality == wanted] for wanted in (1.0, 0.0))
    sign = 1 if metric.higher_is_better else -1
    better = min(sign * value for value in right) > max(sign * value for value in wrong)
    _demand(better, metric, "all right is not better than all wrong", f"{right} and {wrong}")


def _rows(predictions: Predictions, index: list[int]) -> Predictions:
    """These rows, each under a name of its own."""
    scores = predictions.scores[index] if predictions.scores is not None else None
    gold, predicted = (tuple(side[i] for i in index) for side in (predictions.gold, predictions.predicted))
    ids = tuple(f"{place}" for place in range(len(index)))
    return replace(predictions, ids=ids, gold=gold, predicted=predicted, scores=scores)


def _close(first: float, second: float) -> bool:
    return bool(np.isclose(first, second, rtol=1e-12, atol=1e-12))


def _all_close(first: np.ndarray, second: list[float]) -> bool:
    return bool(np.allclose(first, second, rtol=1e-12, atol=1e-12))
