"""Metrics: by hand, against scikit-learn, by the contract that every registered one must keep."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

import tailorlm.evaluation.metrics as folder
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.core.registry import Registry
from tailorlm.evaluation import check_metric, contract
from tailorlm.evaluation.contract import check_kind
from tailorlm.evaluation.kinds import kinds
from tailorlm.evaluation.metrics import TABLE, Metric, metric_of, metrics
from tailorlm.evaluation.metrics._base import LabelMetric
from tailorlm.evaluation.metrics.macro_f1 import MacroF1

# Metrics over codes; those that read names or scores have tests of their own (`test_sureness.py`).
LABEL_METRICS = sorted(name for name in TABLE if isinstance(metrics.get(name)(), LabelMetric))


def test_every_registered_metric_keeps_the_contract() -> None:
    names = list(metrics)
    assert len(names) >= 3
    for name in names:
        check_metric(name)


def test_the_table_and_the_folder_agree() -> None:
    files = {path.stem for path in Path(str(folder.__file__)).parent.glob("*.py") if not path.stem.startswith("_")}
    assert set(TABLE) == files
    assert len(files) >= 7


def test_every_kind_of_answers_keeps_its_contract() -> None:
    names = list(kinds)
    assert len(names) >= 2
    for name in names:
        check_kind(name)


def test_an_unknown_metric_is_answered_with_near_misses() -> None:
    with pytest.raises(UsageError, match="no metric called 'macrof1'") as error:
        metric_of("macrof1")
    assert "macro_f1" in str(error.value)


# gold:      a a a b b c ; predicted: a a b b c b  (codes 0, 1, 2; label 3 never occurs)
GOLD, PREDICTED = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 1])


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 3 / 6),
        ("balanced_accuracy", (2 / 3 + 1 / 2 + 0) / 3),
        # F1 of a: 2*2/(3+2); of b: 2*1/(2+3); of c: 0
        ("macro_f1", (4 / 5 + 2 / 5 + 0) / 3),
    ],
)
def test_values_by_hand(name: str, by_hand: float) -> None:
    assert metric_of(name).score(GOLD, PREDICTED, 4) == pytest.approx(by_hand, abs=1e-15)
    only_b = np.array([[3, 3, 3, 4, 4, 4]])
    expected = {"accuracy": 3 / 6, "balanced_accuracy": 3 / 6, "macro_f1": (2 * 3 / 9 + 0) / 2}[name]
    assert metric_of(name).resampled(GOLD, PREDICTED, 4, only_b)[0] == pytest.approx(expected, abs=1e-15)


def sklearn_value(name: str, gold: Any, predicted: Any) -> float:
    if name == "accuracy":
        return float(accuracy_score(gold, predicted))
    if name == "balanced_accuracy":
        return float(balanced_accuracy_score(gold, predicted))
    return float(f1_score(gold, predicted, average="macro", zero_division=0))


@pytest.mark.parametrize("name", LABEL_METRICS)
def test_equal_to_scikit_learn_on_200_random_cases(name: str) -> None:
    rng = np.random.default_rng(0)
    metric = metric_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels that gold lacks
        for _ in range(200):
            n, n_labels = int(rng.integers(1, 80)), int(rng.integers(2, 30))
            gold = rng.integers(0, n_labels, n)
            predicted = np.where(rng.random(n) < rng.random(), gold, rng.integers(0, n_labels, n))
            index = rng.integers(0, n, (2, n))
            expected = [sklearn_value(name, gold[rows], predicted[rows]) for rows in (slice(None), *index)]
            got = [metric.score(gold, predicted, n_labels), *metric.resampled(gold, predicted, n_labels, index)]
            assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", LABEL_METRICS)
def test_many_blocks_give_what_one_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    gold, predicted, index = rng.integers(0, 4, 50), rng.integers(0, 4, 50), rng.integers(0, 50, (33, 50))
    whole = metric_of(name).resampled(gold, predicted, 4, index)
    monkeypatch.setattr("tailorlm.evaluation.metrics._confusion.BLOCK", 100)
    monkeypatch.setattr("tailorlm.evaluation.metrics.accuracy.BLOCK", 100)
    assert metric_of(name).resampled(gold, predicted, 4, index).tolist() == whole.tolist()


@pytest.mark.parametrize("name", LABEL_METRICS)
def test_rows_that_cannot_be_scored_are_refused(name: str) -> None:
    with pytest.raises(TailorError, match="not one each a row"):
        metric_of(name).score(np.array([0, 1]), np.array([0]), 2)
    with pytest.raises(TailorError, match="no rows to score"):
        metric_of(name).resampled(np.zeros(0, int), np.zeros(0, int), 2, np.zeros((3, 0), int))


class FirstRowRight(MacroF1):
    name = "broken"

    def score(self, gold: Any, predicted: Any, n_labels: int) -> float:
        return float(gold[0] == predicted[0])


class Nameless(MacroF1):
    pass


class OtherResamples(MacroF1):
    name = "broken"

    def resampled(self, gold: Any, predicted: Any, n_labels: int, index: Any) -> Any:
        return super().resampled(gold, predicted, n_labels, index) * 0.99


class UpsideDown(MacroF1):
    name = "broken"
    higher_is_better = False


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (FirstRowRight, "the order of rows changes the score"),
        (Nameless, "it is registered as 'broken'"),
        (OtherResamples, "`resampled` differs from `score`"),
        (UpsideDown, "all right is not better than all wrong"),
    ],
)
def test_the_contract_finds_broken_metrics(broken: type[Metric], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Registry("metric", {"broken": f"{__name__}:{broken.__name__}"}, "tailorlm.none")
    table._loaded["broken"] = broken
    monkeypatch.setattr(contract, "metrics", table)
    with pytest.raises(CheckError) as error:
        check_metric("broken")
    assert said in str(error.value)
