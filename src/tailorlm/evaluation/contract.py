"""What every metric must hold to, ours and other people's: one suite over everything registered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.evaluation.metrics import Metric, metrics
from tailorlm.evaluation.metrics._base import IntArray


def check_metric(name: str) -> None:
    """Hold the registered metric `name` to the contract of `metrics.Metric`; a CheckError says what it breaks.

    It is run over every registered name by `tests/evaluation/test_metrics.py`; call it in the tests of a package that
    registers a metric of its own under the entry-point group `tailorlm.metrics`.
    """
    metric = metrics.get(name)()
    _describes_itself(name, metric)
    for gold, predicted, n_labels in _cases():
        _is_a_set_function(metric, gold, predicted, n_labels)
        _resamples_alike(metric, gold, predicted, n_labels)
    _knows_right_from_wrong(metric)
    _refuses_nothing(metric)


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
    _demand(metric.averages_over in ("rows", "labels"), metric, "`averages_over` is 'rows' or 'labels'")


def _cases() -> Iterator[tuple[IntArray, IntArray, int]]:
    """Rows of every awkward kind: one row, one label, absent labels, many labels, all wrong."""
    rng = np.random.default_rng(0)
    yield np.array([1]), np.array([1]), 2
    yield np.array([0]), np.array([1]), 2
    yield np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 4
    yield np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), 3
    for n, n_labels in ((12, 3), (40, 2), (60, 30), (200, 7)):
        gold = rng.integers(0, n_labels, n)
        yield gold, np.where(rng.random(n) < 0.6, gold, rng.integers(0, n_labels, n)), n_labels


def _is_a_set_function(metric: Metric, gold: IntArray, predicted: IntArray, n_labels: int) -> None:
    rng = np.random.default_rng(1)
    value = metric.score(gold, predicted, n_labels)
    _demand(isinstance(value, float) and bool(np.isfinite(value)), metric, "a score is a finite float", value)
    if metric.unit == "fraction":
        _demand(0.0 <= value <= 1.0, metric, "a fraction lies in [0, 1]", value)
    order, renamed = rng.permutation(len(gold)), rng.permutation(n_labels)
    moved = metric.score(gold[order], predicted[order], n_labels)
    _demand(abs(moved - value) < 1e-12, metric, "the order of rows changes the score", f"{value} and {moved}")
    other = metric.score(renamed[gold], renamed[predicted], n_labels)
    _demand(abs(other - value) < 1e-12, metric, "renaming labels changes the score", f"{value} and {other}")
    wider = metric.score(gold, predicted, n_labels + 3)
    _demand(abs(wider - value) < 1e-12, metric, "labels that do not occur change the score", f"{value} and {wider}")


def _resamples_alike(metric: Metric, gold: IntArray, predicted: IntArray, n_labels: int) -> None:
    rng = np.random.default_rng(2)
    before = gold.copy(), predicted.copy()
    for width in {len(gold), max(1, len(gold) - 1)}:
        index = rng.integers(0, len(gold), (25, width))
        quick = metric.resampled(gold, predicted, n_labels, index)
        _demand(quick.shape == (25,), metric, "`resampled` gives one value for each resample", quick.shape)
        plain = [metric.score(gold[rows], predicted[rows], n_labels) for rows in index]
        _demand(bool(np.allclose(quick, plain, rtol=0, atol=1e-12)), metric, "`resampled` differs from `score`")
    none = metric.resampled(gold, predicted, n_labels, np.zeros((0, len(gold)), dtype=np.int64))
    _demand(none.shape == (0,), metric, "no resamples give no values", none.shape)
    same = bool((gold == before[0]).all() and (predicted == before[1]).all())
    _demand(same, metric, "scoring changes the rows it was given")


def _knows_right_from_wrong(metric: Metric) -> None:
    gold = np.array([0, 0, 1, 1, 2, 2])
    right, wrong = metric.score(gold, gold, 3), metric.score(gold, (gold + 1) % 3, 3)
    better = right > wrong if metric.higher_is_better else right < wrong
    _demand(better, metric, "all right is not better than all wrong", f"{right} and {wrong}")


def _refuses_nothing(metric: Metric) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    try:
        metric.score(nothing, nothing, 2)
    except TailorError:
        return
    _demand(False, metric, "no rows at all must be a TailorError")
