"""The recommendation: which way, and a sentence that gives the true numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation import Comparison, Cost, Predictions, compare, recommend

N = 1000


@pytest.fixture
def judged(make: Callable[..., Predictions]) -> Callable[..., Comparison]:
    """`judged(lora=868, lr=861)`: ways with so many of 1,000 rows right, wrong on the last ones."""

    def comparison(**right: int) -> Comparison:
        ways = {}
        for place, (name, count) in enumerate(right.items()):
            # each way also swaps 60 rows of its own, so that ways with like scores differ on rows
            start = 60 * place
            answers = ["a"] * (count + 60) + ["b"] * (N - count - 60)
            answers[start : start + 60] = ["b"] * 60
            ways[name] = [make("a" * N, "".join(answers), "ab")]
        return compare("accuracy", ways, resamples=500)

    return comparison


def cost(fit: float = 10.0, per_row: float = 1.0, stored: int = 1_000_000) -> Cost:
    return Cost(fit, fit / 2, per_row, 10**9, 1000, stored)


def test_the_cheapest_of_those_not_told_apart(judged: Callable[..., Comparison]) -> None:
    found = recommend(
        judged(lora=868, features=861, zero=500), {"lora": cost(96), "features": cost(4), "zero": cost(0)}
    )
    assert found.name == "features"
    assert found.reason.startswith(
        "features: 0.861 accuracy cannot be told apart from the best (lora, 0.868; difference"
    )
    assert "difference 0.7 points, p = " in found.reason
    assert found.reason.endswith(") and takes 4 s to fit instead of 96 s.")


def test_the_best_is_the_cheapest(judged: Callable[..., Comparison]) -> None:
    found = recommend(judged(lora=868, full=861), {"lora": cost(96), "full": cost(900)})
    assert found.name == "lora"
    assert found.reason == (
        "lora: 0.868 accuracy, the best, and no dearer than the one other way that cannot be told apart from it "
        "(106 s to fit and to answer 10,000 rows)."
    )


def test_the_best_stands_alone(judged: Callable[..., Comparison]) -> None:
    found = recommend(judged(full=910, lora=800), {"full": cost(900), "lora": cost(1)})
    assert found.name == "full"
    assert found.reason == (
        "full: 0.910 accuracy, the only way that is not worse than the best; next is lora, 0.800 "
        "(difference 11.0 points, p = 0.002)."
    )


def test_one_way_needs_no_choice(judged: Callable[..., Comparison]) -> None:
    assert recommend(judged(lora=868), {"lora": cost()}).reason == "lora: 0.868 accuracy, the only way compared."


def test_answering_many_rows_counts(judged: Callable[..., Comparison]) -> None:
    comparison = judged(prompt=868, lora=861)
    costs = {"prompt": cost(fit=0, per_row=300), "lora": cost(fit=96, per_row=2)}
    found = recommend(comparison, costs)
    assert found.name == "lora"
    assert found.reason.endswith("takes 116 s to fit and to answer 10,000 rows instead of 50 min.")
    assert recommend(comparison, costs, volume=100).name == "prompt"
    assert recommend(comparison, costs, volume=0).name == "prompt"


def test_equal_seconds_are_broken_by_bytes_then_by_score(judged: Callable[..., Comparison]) -> None:
    comparison = judged(full=868, lora=861)
    found = recommend(comparison, {"full": cost(100, stored=90_000_000), "lora": cost(105, stored=1_200_000)})
    assert found.name == "lora"
    assert found.reason.endswith("takes as long but stores 1.2 MB instead of 90.0 MB.")
    same = recommend(judged(zebra=868, ant=861), {"zebra": cost(stored=40_196), "ant": cost(stored=40_178)})
    assert same.name == "zebra", "eighteen bytes decide nothing"
    assert "no dearer than the one other way" in same.reason
    third = recommend(judged(b=868, z=861, a=855), {"a": cost(100), "z": cost(110), "b": cost(121)})
    assert third.name == "z", "the better score of two that cost as little"
    assert third.reason.endswith("and costs as little (120 s to fit and to answer 10,000 rows).")
    far = recommend(comparison, {"full": cost(100, stored=90_000_000), "lora": cost(130, stored=1_200_000)})
    assert far.name == "full"


def test_what_is_missing_or_absurd_is_refused(judged: Callable[..., Comparison]) -> None:
    comparison = judged(a=868, b=861, c=300)
    with pytest.raises(TailorError, match="no cost is known for b"):
        recommend(comparison, {"a": cost()})
    assert recommend(comparison, {"a": cost(), "b": cost()}).name == "a"
    with pytest.raises(UsageError, match="negative"):
        recommend(comparison, {"a": cost(), "b": cost()}, volume=-1)
    for bad in ({"fit": -1.0}, {"per_row": float("nan")}, {"stored": -5}):
        keyed: dict[str, Any] = bad
        with pytest.raises(UsageError, match="is out of bounds"):
            cost(**keyed)
