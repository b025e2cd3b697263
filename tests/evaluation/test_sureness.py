"""Calibration, coverage, ranking, ordered and nested labels: by hand and against scikit-learn."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score, brier_score_loss, cohen_kappa_score, log_loss

from tailorlm.core.marks import NONE_OF_THESE
from tailorlm.evaluation import Predictions, interval
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.paths import has_levels, levels, path_of
from tailorlm.evaluation.sureness import coverage, probabilities, reliability

CASES = 200
NAMES = ("a/b", "a/c", "東京", "😀", "é")


def value(name: str, predictions: Predictions) -> float:
    return metric_of(name).evidence(predictions).score()


def made(gold: Any, predicted: Any, labels: Any = (), scores: Any = None, kind: str = "label") -> Predictions:
    return Predictions(
        tuple(f"{i}" for i in range(len(gold))), tuple(gold), tuple(predicted), tuple(labels), scores, kind
    )


def random_labels(rng: np.random.Generator) -> Predictions:
    labels = tuple(sorted(NAMES))[: int(rng.integers(2, 6))]
    rows = int(rng.integers(1, 40))
    scores = softmax(rng.normal(size=(rows, len(labels))) * rng.choice([0.1, 1.0, 8.0]), axis=1)
    gold = [labels[int(rng.integers(len(labels)))] for _ in range(rows)]
    return made(gold, [labels[i] for i in scores.argmax(1)], labels, scores)


def test_brier_and_log_loss_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        found = random_labels(rng)
        place = [found.labels.index(label) for label in found.gold]
        known = list(range(len(found.labels)))
        assert value("log_loss", found) == pytest.approx(log_loss(place, found.scores, labels=known), abs=1e-9)
        theirs = brier_score_loss(place, found.scores, labels=known, scale_by_half=False)
        assert value("brier", found) == pytest.approx(theirs, abs=1e-9)


def test_calibration_error_is_its_definition() -> None:
    rng = np.random.default_rng(1)
    for _ in range(CASES):
        found = random_labels(rng)
        assert found.scores is not None
        sure, right = found.scores.max(1), np.array([g == p for g, p in zip(found.gold, found.predicted, strict=True)])
        expected, edges = 0.0, np.linspace(0, 1, 16)
        for low, high in pairwise(edges):
            here = (sure > low) & (sure <= high)
            if here.any():
                expected += here.mean() * abs(right[here].mean() - sure[here].mean())
        assert value("ece", found) == pytest.approx(expected, abs=1e-9)
        assert reliability(sure, right.astype(float), what="answers")["ece"] == pytest.approx(expected, abs=1e-9)


def test_by_hand() -> None:
    scores = np.array([[0.8, 0.2], [0.6, 0.4]])
    found = made("aa", "aa", "ab", scores)
    assert value("ece", found) == pytest.approx((0.2 + 0.4) / 2)
    assert value("brier", found) == pytest.approx((2 * 0.2**2 + 2 * 0.4**2) / 2)
    assert value("log_loss", found) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    certain = made("ab", "aa", "ab")
    assert value("ece", certain) == 0.5
    assert value("brier", certain) == 1.0
    assert value("log_loss", certain) == pytest.approx(-np.log(np.finfo(float).eps) / 2)
    logits = made("a", "a", "ab", np.array([[2.0, 0.0]]))
    assert probabilities(logits)[0, 0] == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize("name", ["ece", "brier", "log_loss"])
def test_intervals_of_scores_hold_every_row_for_itself(name: str) -> None:
    """Rows of equal answers differ in their scores, and resamples are those of the rows."""
    rng = np.random.default_rng(2)
    found = random_labels(rng)
    while len(found) < 20:
        found = random_labels(rng)
    evidence = metric_of(name).evidence(found)
    index = rng.integers(0, len(found), (20, len(found)))
    for rows, quick in zip(index.tolist(), evidence.resampled(index), strict=True):
        assert found.scores is not None
        part = made([found.gold[i] for i in rows], [found.predicted[i] for i in rows], found.labels, found.scores[rows])
        assert quick == pytest.approx(value(name, part), abs=1e-9)
    around = interval(name, [found])
    assert around.low <= around.value <= around.high
    assert around.low < around.high


def test_coverage_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.55, 0.45]])
    found = made("abba", "abaa", "ab", scores)
    table = coverage(found)
    assert [(p["coverage"], round(p["accuracy"], 3), p["bar"]) for p in table["points"]] == [
        (0.25, 1.0, 0.9),
        (0.5, 1.0, 0.8),
        (0.75, 0.667, 0.7),
        (1.0, 0.75, 0.55),
    ]
    assert table["area"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert (table["answered"], table["of"], table["right"]) == (4, 4, 0.75)
    held = np.insert(scores, 0, 0.0, axis=1)
    back = coverage(made("abba", ["a", "b", NONE_OF_THESE, NONE_OF_THESE], (NONE_OF_THESE, "a", "b"), held))
    assert back["points"] == table["points"]
    assert (back["answered"], back["right"]) == (2, 1.0)
    nothing = coverage(made("a", [NONE_OF_THESE], (NONE_OF_THESE, "a"), np.array([[0.0, 1.0]])))
    assert (nothing["answered"], nothing["right"]) == (0, None)


def random_sets(rng: np.random.Generator) -> tuple[Predictions, np.ndarray, np.ndarray]:
    labels, rows = tuple(sorted(NAMES)), int(rng.integers(1, 30))
    wanted = rng.random((rows, len(labels))) < rng.choice([0.05, 0.3, 0.6])
    scores = np.round(rng.random(wanted.shape), int(rng.integers(1, 4)))
    gold = [[labels[i] for i in np.flatnonzero(row)] for row in wanted]
    said = [[labels[i] for i in np.flatnonzero(row >= 0.5)] for row in scores]
    return made(gold, said, labels, scores, "labels"), wanted, scores


def test_mean_average_precision_is_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(CASES):
        found, wanted, scores = random_sets(rng)
        there = wanted.any(axis=0)
        if there.any():
            expected = average_precision_score(wanted[:, there], scores[:, there], average="macro")
            assert value("map", found) == pytest.approx(expected, abs=1e-9)
            compared += 1
        evidence = metric_of("map").evidence(found)
        index = rng.integers(0, len(found), (5, len(found)))
        for rows, quick in zip(index.tolist(), evidence.resampled(index), strict=True):
            part = made(
                [found.gold[i] for i in rows], [found.predicted[i] for i in rows], found.labels, scores[rows], "labels"
            )
            assert quick == pytest.approx(value("map", part), abs=1e-9)
    assert compared > 150
    assert value("map", made([[]], [[]], ("a",), None, "labels")) == 1.0
    assert value("map", made([[]], [["a"]], ("a",), None, "labels")) == 0.0


def test_kappa_is_scikit_learns_on_steps() -> None:
    rng = np.random.default_rng(4)
    for _ in range(CASES):
        rows = int(rng.integers(2, 40))
        gold = rng.integers(1, 6, rows)
        said = np.clip(gold + rng.integers(-2, 3, rows), 1, 5)
        found = made(gold.astype(float).tolist(), said.astype(float).tolist(), kind="number")
        if len({*gold, *said}) > 1:
            expected = cohen_kappa_score(gold, said, weights="quadratic", labels=[1, 2, 3, 4, 5])
            assert value("qwk", found) == pytest.approx(expected, abs=1e-9)
    assert value("qwk", made([3.0, 3.0], [3.0, 3.0], kind="number")) == 1.0
    assert value("qwk", made([1.0, 5.0], [5.0, 1.0], kind="number")) == -1.0


def test_paths_by_hand() -> None:
    assert path_of("card/lost/abroad") == ["card", "card/lost", "card/lost/abroad"]
    assert path_of("n/") == ["n/"]
    assert path_of("n/a") == ["n", "n/a"]
    assert has_levels(("card/lost", "card/stolen"))
    assert has_levels(("card", "card/lost"))
    assert not has_levels(("n/a", "yes", "no"))
    labels = ("card/lost", "card/stolen", "loan")
    found = made(
        ["card/lost", "card/lost", "loan", "card/stolen"], ["card/stolen", "card/lost", "card/lost", "loan"], labels
    )
    # Steps right, wanted and answered: 1 2 2, 2 2 2, 0 1 2, 0 2 1.
    assert value("hierarchical_f1", found) == pytest.approx(2 * 3 / 14)
    assert levels(found) == [
        {"level": 1, "names": 2, "n": 4, "right": 0.5},
        {"level": 2, "names": 2, "n": 3, "right": pytest.approx(1 / 3)},
    ]
    assert levels(made("ab", "aa", "ab")) == []
    assert "levels" in kind_of("label").tables(found)


def test_single_decisions_of_sets() -> None:
    found = made([["a"], []], [["a"], []], ("a", "b"), np.array([[0.9, 0.1], [0.4, 0.2]]), "labels")
    table = kind_of("labels").tables(found)["calibration"]
    assert table["n"] == 4
    assert table["ece"] == pytest.approx((0.1 + 0.1 + 0.4 + 0.2) / 4)
