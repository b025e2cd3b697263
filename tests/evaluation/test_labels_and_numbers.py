"""Metrics of several labels a row and of numbers: by hand, and against scikit-learn and scipy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, root_mean_squared_error

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import metric_of, metrics
from tailorlm.evaluation.predictions import Predictions

LABELS = tuple(sorted(("anger", "joy 😀", "pride", "悲しみ", "é")))


def many(gold: list[list[str]], predicted: list[list[str]]) -> Predictions:
    return Predictions(tuple(map(str, range(len(gold)))), tuple(gold), tuple(predicted), LABELS, None, "labels")


def numbers(gold: Any, predicted: Any) -> Predictions:
    ids = tuple(map(str, range(len(gold))))
    return Predictions(ids, tuple(map(float, gold)), tuple(map(float, predicted)), (), None, "number")


def value(name: str, predictions: Predictions) -> float:
    return metric_of(name).evidence(predictions).score()


def test_each_kind_has_its_metrics() -> None:
    for kind, count in (("labels", 5), ("number", 4)):
        assert len([name for name in metrics if metric_of(name).reads == kind]) == count


def test_values_of_labels_by_hand() -> None:
    some = many([["anger", "pride"], ["é"], []], [["anger"], ["pride"], []])
    assert value("micro_f1", some) == pytest.approx(2 * 1 / (3 + 2))
    assert value("samples_f1", some) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert value("labels_macro_f1", some) == pytest.approx((1 + 0 + 0) / 3)
    assert value("subset_accuracy", some) == pytest.approx(1 / 3)
    table = kind_of("labels").tables(some)["per_label"]
    assert [(row["label"], row["n"], row["f1"]) for row in table] == [
        ("anger", 1, 1.0),
        ("pride", 1, 0.0),
        ("é", 1, 0.0),
    ]
    assert value("micro_f1", many([[]], [[]])) == 1.0


def test_labels_are_equal_to_scikit_learn_on_200_random_cases() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, chance = int(rng.integers(1, 60)), rng.random()
        gold = rng.random((n, len(LABELS))) < chance
        predicted = gold ^ (rng.random(gold.shape) < rng.random() / 2)
        some = many(*([[LABELS[i] for i in np.flatnonzero(row)] for row in side] for side in (gold, predicted)))
        there = (gold | predicted).any(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = {
                "micro_f1": f1_score(gold, predicted, average="micro", zero_division=1),
                "samples_f1": f1_score(gold, predicted, average="samples", zero_division=1),
                "subset_accuracy": accuracy_score(gold, predicted),
                "labels_macro_f1": np.mean(f1_score(gold, predicted, average=None, zero_division=0)[there])
                if there.any()
                else 1.0,
            }
        assert {name: value(name, some) for name in expected} == pytest.approx(expected, abs=1e-12)


def test_numbers_are_equal_to_scipy_and_scikit_learn_on_200_random_cases() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(2, 60))
        gold = rng.integers(1, 6, n)
        predicted = np.round(gold + rng.normal(size=n) * rng.random() * 3, int(rng.integers(0, 3)))
        some = numbers(gold, predicted)
        assert value("mae", some) == pytest.approx(mean_absolute_error(gold, predicted), abs=1e-12)
        assert value("rmse", some) == pytest.approx(root_mean_squared_error(gold, predicted), abs=1e-12)
        if len(set(gold)) > 1 and len(set(predicted)) > 1:
            assert value("spearman", some) == pytest.approx(spearmanr(gold, predicted).statistic, abs=1e-12)


def test_an_order_that_is_not_there_is_not_found() -> None:
    assert value("spearman", numbers([1, 2, 3], [2, 2, 2])) == 0.0
    assert value("spearman", numbers([1, 1], [1, 2])) == 0.0
    assert value("spearman", numbers([1, 1], [5, 5])) == 1.0


def test_a_number_is_right_at_the_places_gold_is_written_with() -> None:
    kind = kind_of("number")
    for gold, answer, right in (
        (4.0, 3.6, True),
        (4.0, 3.4, False),
        (0.25, 0.254, True),
        (0.25, 0.26, False),
        (100, 100.4, True),
    ):
        assert kind.right(gold, answer) is right
    assert [kind.shown(shown) for shown in (4.0, 3.14159, 1234567)] == ["4", "3.142", "1234567"]


@pytest.mark.parametrize("wrong", [[float("nan")], ["4"], [True]])
def test_what_is_no_number_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(TailorError, match="not a finite number"):
        Predictions(("1",), (1.0,), tuple(wrong), (), None, "number")


@pytest.mark.parametrize("wrong", ["anger", ["anger", "anger"], ["fear"], [1]])
def test_what_is_no_list_of_labels_is_refused(wrong: Any) -> None:
    with pytest.raises(TailorError, match="row 0"):
        Predictions(("1",), (["anger"],), (wrong,), LABELS, None, "labels")
