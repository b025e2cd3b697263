"""The comparison: verdicts, pairing, order, ties, seeds, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation import Predictions, compare, interval
from tailorlm.evaluation.metrics.accuracy import Accuracy


def ways_of(simulated: Any, accuracy: list[float], seed: int = 0, **world: Any) -> dict[str, list[Predictions]]:
    answers: dict[str, list[Predictions]] = simulated.World(**world).answers(np.random.default_rng(seed), accuracy)
    return answers


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "balanced_accuracy"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_way_under_another_name_cannot_be_told_apart(simulated: Any, metric: str, seeds: int) -> None:
    ways = ways_of(simulated, [0.85], n=200, seeds=seeds, seed_spread=0.02)
    found = compare(metric, {"b": ways["way 0"], "a": ways["way 0"]}, resamples=500)
    other = found.against_best["b"]
    assert found.best == "a"
    assert (other.difference, other.p_bootstrap, other.p_adjusted) == (0.0, 1.0, 1.0)
    assert (other.p_mcnemar, other.p_mcnemar_adjusted, other.rows_lost, other.rows_won) == (1.0, 1.0, 0, 0)
    assert found.verdicts == {"a": "best", "b": "cannot be told apart"}
    assert other.low <= 0.0 <= other.high
    if seeds == 1:
        assert (other.low, other.high) == (0.0, 0.0)


def test_a_clearly_worse_way_is_worse(simulated: Any) -> None:
    found = compare("accuracy", ways_of(simulated, [0.70, 0.85, 0.851]))
    worse = found.against_best["way 0"]
    assert worse.verdict == "worse"
    assert worse.p_adjusted < 0.001
    assert worse.p_mcnemar < 1e-6
    assert worse.high < 0 < -worse.difference
    assert sorted(found.not_worse) == ["way 1", "way 2"]


def test_difference_interval_and_p_tell_the_same_story(simulated: Any) -> None:
    for seed in range(12):
        found = compare("accuracy", ways_of(simulated, [0.84, 0.86], seed, n=400), resamples=999)
        (other,) = found.against_best.values()
        assert (other.p_bootstrap < 0.05) == (other.high < 0)
        assert (other.low + other.high) / 2 == pytest.approx(other.difference, abs=1e-12)
        assert other.p_adjusted == pytest.approx(other.p_bootstrap, abs=0.003)


def test_large_samples_agree_with_the_analytic_test(simulated: Any) -> None:
    found = compare("accuracy", ways_of(simulated, [0.848, 0.85], n=20_000), resamples=4000)
    (other,) = found.against_best.values()
    wins, losses = other.rows_won, other.rows_lost
    gap = (losses - wins) / 20_000
    error = np.sqrt((losses + wins) / 20_000 - gap**2) / np.sqrt(20_000)
    assert other.difference == pytest.approx(-gap, abs=1e-12)
    assert other.p_bootstrap == pytest.approx(2 * norm.sf(gap / error), abs=0.02)
    assert other.high - other.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert other.p_mcnemar == pytest.approx(binomtest(losses, losses + wins).pvalue, rel=1e-12)


def test_the_order_of_ways_does_not_matter_and_the_seed_decides(simulated: Any) -> None:
    ways = ways_of(simulated, [0.85, 0.84, 0.83], n=300, seeds=2, seed_spread=0.01)
    there = compare("macro_f1", ways, resamples=400, seed=3)
    back = compare("macro_f1", dict(reversed(ways.items())), resamples=400, seed=3)
    assert there == back
    assert list(there.scores) == list(back.scores)
    assert compare("macro_f1", ways, resamples=400, seed=4) != there


def test_scores_stand_best_first_and_equal_the_interval(simulated: Any) -> None:
    ways = ways_of(simulated, [0.70, 0.90, 0.80], n=300)
    found = compare("macro_f1", ways, resamples=800, seed=5)
    assert list(found.scores) == ["way 1", "way 2", "way 0"]
    assert list(found.against_best) == ["way 2", "way 0"]
    assert found.scores["way 2"] == interval("macro_f1", ways["way 2"], resamples=800, seed=5)


def test_pairs_hold_every_pair_both_ways_round(simulated: Any) -> None:
    found = compare("accuracy", ways_of(simulated, [0.70, 0.85, 0.90, 0.91], n=300), resamples=500)
    assert len(found.pairs) == 6
    one, other = found.pair("way 0", "way 1"), found.pair("way 1", "way 0")
    assert one.difference == -other.difference < 0
    assert one.p_adjusted == other.p_adjusted
    for name, against in found.against_best.items():
        pair = found.pair(name, found.best)
        assert (pair.difference, pair.p_adjusted) == (against.difference, against.p_adjusted)
    assert all(pair.p_adjusted >= pair.p_bootstrap for pair in found.pairs)
    with pytest.raises(UsageError, match="no way called 'way 9'"):
        found.pair("way 0", "way 9")
    with pytest.raises(UsageError, match="compared with itself"):
        found.pair("way 0", "way 0")
    with pytest.raises(UsageError, match="no way called 'x'"):
        found.verdict("x")


def test_few_rows_are_never_proof(make: Callable[..., Predictions]) -> None:
    """Five rows, all for one way: the exact p is 1/16, though every resample says the same."""
    found = compare("accuracy", {"right": [make("aaaaa", "aaaaa", "ab")], "wrong": [make("aaaaa", "bbbbb")]})
    other = found.against_best["wrong"]
    assert (other.difference, other.p_bootstrap, other.p_adjusted, other.p_mcnemar) == (-1.0, 1 / 16, 1 / 16, 1 / 16)
    assert other.verdict == "cannot be told apart"
    assert other.high == 0.0
    one = compare("macro_f1", {"right": [make("a", "a", "ab")], "wrong": [make("a", "b")]})
    assert one.verdicts == {"right": "best", "wrong": "cannot be told apart"}


def test_one_way_alone_is_the_best(make: Callable[..., Predictions]) -> None:
    found = compare("accuracy", {"only": [make("ab", "aa")]})
    assert (found.verdicts, found.against_best, found.pairs) == ({"only": "best"}, {}, ())


def test_label_sets_may_differ(make: Callable[..., Predictions]) -> None:
    ways = {"x": [make("abab", "abab", "ab")], "y": [make("abab", "abac", "abc")]}
    assert compare("macro_f1", ways).scores["y"].value == pytest.approx((1 + 2 / 3 + 0) / 3)


class ErrorRate(Accuracy):
    name = "error_rate"
    higher_is_better = False

    def score(self, gold: Any, predicted: Any, n_labels: int) -> float:
        return 1 - super().score(gold, predicted, n_labels)

    def resampled(self, gold: Any, predicted: Any, n_labels: int, index: Any) -> Any:
        return 1 - super().resampled(gold, predicted, n_labels, index)


def test_lower_can_be_better(simulated: Any) -> None:
    ways = ways_of(simulated, [0.70, 0.85])
    found, mirrored = compare(ErrorRate(), ways), compare("accuracy", ways)
    assert found.best == mirrored.best == "way 1"
    assert found.against_best["way 0"].difference == pytest.approx(-mirrored.against_best["way 0"].difference)
    assert found.verdict("way 0") == "worse"


class RowsDoubled(Accuracy):
    name = "rows_doubled"
    unit = "rows in hundred"
    averages_over: Literal["rows", "labels"] = "rows"


def test_a_metric_with_a_unit_of_its_own_is_resampled(make: Callable[..., Predictions]) -> None:
    found = compare(RowsDoubled(), {"x": [make("ab" * 20, "ab" * 15 + "aa" * 5)]})
    assert (found.unit, found.scores["x"].method) == ("rows in hundred", "bca")


def test_everything_can_be_written_as_json(simulated: Any) -> None:
    found = compare("accuracy", ways_of(simulated, [0.7, 0.8], n=100), resamples=300)
    plain = json.loads(json.dumps(found.plain()))
    assert plain["verdicts"][plain["best"]] == "best"
    assert (plain["metric_version"], plain["n"], plain["level"], plain["resamples"]) == (1, 100, 0.95, 300)
    assert plain["against_best"]["way 0"]["p_adjusted"] == found.against_best["way 0"].p_adjusted


def test_different_rows_are_refused_with_the_first_one(make: Callable[..., Predictions]) -> None:
    first = make("aab", "aab")
    for other, said in (
        (make("aa", "aa"), "3 rows for x, 2 for y"),
        (make("abb", "aab"), "row 1: gold label 'a' for x, 'b' for y"),
        (replace(first, ids=("0", "2", "1")), "row 1: id '1' for x, '2' for y"),
    ):
        with pytest.raises(TailorError) as error:
            compare("accuracy", {"x": [first], "y": [other]})
        assert said in str(error.value)
    with pytest.raises(TailorError, match="the way 'x' has no predictions"):
        compare("accuracy", {"x": []})
    with pytest.raises(TailorError, match="no way to score"):
        compare("accuracy", {})
    with pytest.raises(UsageError, match="no metric called 'acuracy'"):
        compare("acuracy", {"x": [first]})


def test_one_lucky_seed_decides_less_than_three(simulated: Any) -> None:
    """Seeds four points apart: single seeds look far apart by chance, their means with seed effects do not."""
    called = {1: 0, 3: 0}
    for seed in range(10):
        ways = ways_of(simulated, [0.85, 0.85], seed, seeds=3, seed_spread=0.04)
        for seeds in called:
            found = compare("accuracy", {name: some[:seeds] for name, some in ways.items()}, resamples=300)
            called[seeds] += "worse" in found.verdicts.values()
    assert called[1] >= 4
    assert called[3] <= 2


def test_seeds_that_answer_alike_are_one_seed(simulated: Any) -> None:
    """A classifier without anything random in it must not be charged for the seed effect of the others."""
    ways = ways_of(simulated, [0.80, 0.85, 0.85], n=500, seeds=3, seed_spread=0.03)
    single = {"way 0": ways["way 0"][:1], "way 1": ways["way 1"]}
    copied = {"way 0": ways["way 0"][:1] * 3, "way 1": ways["way 1"]}
    one, three = compare("accuracy", single, resamples=500), compare("accuracy", copied, resamples=500)
    assert one.pairs == three.pairs
    assert replace(one.scores["way 0"], seeds=3) == three.scores["way 0"]
    assert one.scores["way 0"].method == "wilson"
