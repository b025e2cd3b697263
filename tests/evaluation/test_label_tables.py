"""Tables: by hand, and per label against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation import LabelScore, Predictions
from tailorlm.evaluation.tables import all_wrong, confusion, disagreements, most_confused, per_label


def test_per_label_by_hand(make: Callable[..., Predictions]) -> None:
    rows = per_label(make("aaab", "aabb", "abc"))
    assert rows == [
        LabelScore("a", 3, 1.0, 2 / 3, 0.8),
        LabelScore("b", 1, 0.5, 1.0, 2 / 3),
        LabelScore("c", 0, 0.0, 0.0, 0.0),
    ]


def test_tables_equal_scikit_learn(make: Callable[..., Predictions]) -> None:
    rng = np.random.default_rng(0)
    labels = list("abcdefg")
    for _ in range(30):
        gold, predicted = rng.choice(labels[:5], 40), rng.choice(labels[2:], 40)
        predictions = make("".join(gold), "".join(predicted), "abcdefg")
        expected = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)
        found = [(row.precision, row.recall, row.f1, row.n) for row in per_label(predictions)]
        np.testing.assert_allclose(np.array(found).T, np.array(expected, dtype=float), rtol=0, atol=1e-12)
        assert (confusion(predictions) == confusion_matrix(gold, predicted, labels=labels)).all()


def test_most_confused(make: Callable[..., Predictions]) -> None:
    predictions = make("aaabbbcc", "abbbacab", "abc")
    assert most_confused(predictions) == [
        ("a", "b", 2),
        ("b", "a", 1),
        ("b", "c", 1),
        ("c", "a", 1),
        ("c", "b", 1),
    ]
    assert most_confused(predictions, 1) == [("a", "b", 2)]
    assert most_confused(make("ab", "ab")) == []
    with pytest.raises(UsageError, match="limit"):
        most_confused(predictions, -1)


def test_disagreements_by_distinct_answers_then_entropy(make: Callable[..., Predictions]) -> None:
    ways = {
        "1": make("aaaaa", "aaaaa", "abcd"),
        "2": make("aaaaa", "abaaa", "abcd"),
        "3": make("aaaaa", "acbab", "abcd"),
        "4": make("aaaaa", "adbab", "abcd"),
    }
    # row 1: four answers; rows 2 and 4: two and two; rows 0 and 3: all agree
    assert disagreements(ways) == [1, 2, 4]
    assert disagreements(ways, 1) == [1]
    three = {"1": make("aa", "aa", "ab"), "2": make("aa", "ab", "ab"), "3": make("aa", "bb", "ab")}
    assert disagreements({**three, "4": make("aa", "ab", "ab")}) == [0, 1]
    four = {**three, "4": make("aa", "ba", "ab")}  # row 0: two and two; row 1: two and two
    assert disagreements(four) == [0, 1]
    uneven = {**three, "4": make("aa", "bb", "ab")}  # row 0: two and two; row 1: one and three
    assert disagreements(uneven) == [0, 1]
    assert disagreements({"only": make("ab", "ba")}) == []


def test_all_wrong_puts_agreement_first(make: Callable[..., Predictions]) -> None:
    ways = {
        "1": make("aaaaa", "bcbba", "abc"),
        "2": make("aaaaa", "cbbbb", "abc"),
        "3": make("aaaaa", "bbbab", "abc"),
    }
    # row 2: all say b; rows 0 and 1: two of three agree; row 3 and 4: somebody is right
    assert all_wrong(ways) == [2, 0, 1]
    assert all_wrong({"x": make("ab", "ab")}) == []


def test_ways_on_different_rows_are_refused(make: Callable[..., Predictions]) -> None:
    with pytest.raises(TailorError, match="not scored on the same rows"):
        disagreements({"x": make("ab", "ab"), "y": make("ba", "ab")})
    with pytest.raises(TailorError, match="no way to score"):
        all_wrong({})
