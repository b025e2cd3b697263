"""Intervals: Wilson by hand, BCa against scipy, edges where resampling has nothing to say, seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation import Interval, Predictions, interval
from tailorlm.evaluation.intervals import interval_of_mean, wilson
from tailorlm.evaluation.metrics import metric_of


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (17, 20), (300, 300), (0, 50), (861, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_equals_scipy(right: int, n: int, level: float) -> None:
    expected = binomtest(right, n).proportion_ci(level, method="wilson")
    assert wilson(right / n, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_accuracy_of_one_seed_is_wilson(make: Callable[..., Predictions]) -> None:
    found = interval("accuracy", [make("a" * 20, "a" * 17 + "bbb")])
    assert found == Interval(0.85, *wilson(0.85, 20, 0.95), 0.95, 20, 0, 1, "wilson")


def test_bca_equals_scipys(make: Callable[..., Predictions]) -> None:
    rng = np.random.default_rng(0)
    gold = rng.choice(list("abcd"), 150, p=[0.6, 0.2, 0.15, 0.05])
    predicted = np.where(rng.random(150) < 0.8, gold, rng.choice(list("abcd"), 150))
    predictions = make("".join(gold), "".join(predicted))
    metric, codes = metric_of("macro_f1"), predictions.codes()

    def statistic(g: Any, p: Any, axis: int = -1) -> Any:
        return np.apply_along_axis(lambda i: metric.score(codes[0][i], codes[1][i], 4), -1, g)

    rows = np.arange(150)
    theirs = bootstrap(
        (rows, rows), statistic, n_resamples=4000, paired=True, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    ours = interval("macro_f1", [predictions], resamples=20_000)
    assert ours.method == "bca"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy"])
def test_no_error_is_not_certainty(make: Callable[..., Predictions], name: str) -> None:
    """All rows right on 30 + 10 rows: at 40 rows for accuracy, at 4 / (1/30 + 1/10) = 30 for what averages labels."""
    found = interval(name, [make("a" * 30 + "b" * 10, "a" * 30 + "b" * 10)])
    rows = 40 if name == "accuracy" else 30
    assert (found.value, found.high, found.method) == (1.0, 1.0, "wilson")
    assert found.low == pytest.approx(wilson(1.0, rows, 0.95)[0], abs=1e-12)
    assert found.low < 0.92


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy"])
@pytest.mark.parametrize("predicted", ["a", "b"])
def test_one_row_says_nearly_nothing(make: Callable[..., Predictions], name: str, predicted: str) -> None:
    found = interval(name, [make("a", predicted)])
    assert found.n == 1
    assert found.high - found.low > 0.75


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_limits_hold_the_value_and_widen_with_the_level(make: Callable[..., Predictions], name: str) -> None:
    rng = np.random.default_rng(5)
    for n in (2, 3, 5, 30):
        gold = "".join(rng.choice(list("abc"), n))
        seeds = [make(gold, "".join(rng.choice(list("abc"), n)), "abc") for _ in range(2)]
        for some in (seeds[:1], seeds):
            narrow, wide = interval(name, some, level=0.8), interval(name, some, level=0.99)
            assert 0.0 <= wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high <= 1.0


def test_seeds_are_averaged_and_their_spread_widens(simulated: Any) -> None:
    rng = np.random.default_rng(0)
    same, apart = simulated.World(seeds=3), simulated.World(seeds=3, seed_spread=0.05)
    calm = interval("accuracy", same.answers(rng, [0.85])["way 0"])
    wild_seeds = apart.answers(rng, [0.85])["way 0"]
    wild = interval("accuracy", wild_seeds)
    singles = [interval("accuracy", [one]).value for one in wild_seeds]
    assert wild.value == pytest.approx(np.mean(singles), abs=1e-12)
    assert (wild.seeds, wild.method) == (3, "bca")
    assert wild.high - wild.low > 2 * (calm.high - calm.low)


def test_the_same_seed_gives_the_same_interval(simulated: Any) -> None:
    seeds = simulated.World(seeds=2).answers(np.random.default_rng(0), [0.85])["way 0"]
    assert interval("macro_f1", seeds, seed=4) == interval("macro_f1", seeds, seed=4)
    assert interval("macro_f1", seeds, seed=4) != interval("macro_f1", seeds, seed=5)


def test_a_large_test_set_is_scored_within_bounded_memory() -> None:
    """Leave-one-out over 20,000 rows takes one value for each of 4 kinds of rows, not 20,000."""
    ids = tuple(map(str, range(20_000)))
    predictions = Predictions(ids, ("a", "b") * 10_000, ("a", "a", "b", "b") * 5_000, ("a", "b"))
    found = interval("macro_f1", [predictions], resamples=200)
    assert (found.value, found.n) == (0.5, 20_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / 20_000**0.5, rel=0.15)


def test_settings_out_of_bounds_are_refused(make: Callable[..., Predictions]) -> None:
    seeds = [make("ab", "ab")]
    with pytest.raises(UsageError, match="level of an interval is out of bounds"):
        interval("accuracy", seeds, level=1.0)
    with pytest.raises(UsageError, match=r"100 resamples are too few for a level of 0\.95"):
        interval("accuracy", seeds, resamples=100)
    with pytest.raises(UsageError, match="negative"):
        interval("accuracy", seeds, seed=-1)
    with pytest.raises(TailorError, match="no predictions"):
        interval("accuracy", [])
    with pytest.raises(TailorError, match="not scored on the same rows"):
        interval("accuracy", [make("ab", "ab"), make("ba", "ab")])


def test_many_labels_with_few_rows_take_the_basic_bootstrap() -> None:
    rng = np.random.default_rng(0)
    labels = tuple(f"{i:03d}" for i in range(150))
    gold = rng.integers(0, 150, 600)
    predicted = np.where(rng.random(600) < 0.9, gold, rng.integers(0, 150, 600))
    gold_names, names = (tuple(labels[code] for code in codes) for codes in (gold, predicted))
    found = interval("macro_f1", [Predictions(tuple(map(str, range(600))), gold_names, names, labels)])
    assert found.method == "basic"
    assert 0.9 < found.low < found.value < found.high < 0.98


def test_the_interval_of_a_mean_is_that_of_a_metric_which_averages() -> None:
    random = np.random.default_rng(4)
    each = np.round(random.beta(0.7, 1.2, 60), 2)
    found = interval_of_mean(each)
    theirs = bootstrap(
        (each,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert (found.value, found.n, found.method) == (pytest.approx(each.mean()), 60, "bca")
    hits = interval_of_mean([1.0] * 9 + [0.0] * 3)
    assert (hits.low, hits.high) == pytest.approx(wilson(0.75, 12, 0.95))
    assert interval_of_mean([0.5] * 5).low < 0.5 < interval_of_mean([0.5] * 5).high
    assert interval_of_mean([0.3]).high > 0.85
    with pytest.raises(TailorError, match="no rows"):
        interval_of_mean([])
