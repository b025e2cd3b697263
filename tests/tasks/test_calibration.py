"""Temperatures, shifts and bars: by hand, against scikit-learn's, and by properties; the same through fitted ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import _SigmoidCalibration, _TemperatureScaling

from tailorlm.core.errors import CheckError
from tailorlm.core.marks import NONE_OF_THESE
from tailorlm.evaluation.metrics import metric_of
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.tasks._calibration import bar_for, chances, logistic_of, single_chances, temperature_of
from tailorlm.tasks.classify import Classify
from tiny import labelled

Base = Callable[..., Path]


def drawn(rng: np.random.Generator, rows: int, labels: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels drawn from the softmax of the scores times `sharpness`."""
    scores = rng.normal(size=(rows, labels)) * 2
    shares = np.exp(sharpness * scores)
    shares /= shares.sum(1, keepdims=True)
    return scores, np.array([rng.choice(labels, p=row) for row in shares])


def test_a_temperature_by_hand() -> None:
    """Three of four right at a gap of one: sure of three quarters, so 1 / T = log 3."""
    scores = np.array([[1.0, 0.0]] * 4)
    found = temperature_of(scores, np.array([0, 0, 0, 1]), prior=0.0)
    assert found == pytest.approx(1 / np.log(3), rel=1e-4)
    assert chances(scores[:1], found)[0] == pytest.approx([0.75, 0.25], abs=1e-5)
    # With one row more that is imagined wrong: 3.5 of 5 by Platt's targets (1 - 1/6) and 1/6 over three right rows and one wrong one.
    share = (3 * 5 / 6 + 1 / 6) / 4
    assert chances(scores[:1], temperature_of(scores, np.array([0, 0, 0, 1])))[0, 0] == pytest.approx(share, abs=1e-5)


def test_temperatures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        labels = int(rng.integers(2, 8))
        scores, codes = drawn(rng, 200, labels, float(rng.choice([0.2, 1.0, 4.0])))
        codes[:labels] = np.arange(labels)
        theirs = _TemperatureScaling().fit(scores, codes)
        ours = temperature_of(scores, codes, prior=0.0)
        assert 1 / ours == pytest.approx(theirs.beta_, rel=2e-3)
        assert chances(scores, ours) == pytest.approx(np.asarray(theirs.predict(scores)), abs=2e-3)


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_what_it_says_comes_true(sharpness: float) -> None:
    rng = np.random.default_rng(1)
    scores, codes = drawn(rng, 4000, 5, sharpness)
    temperature = temperature_of(scores[:2000], codes[:2000])
    given = chances(scores[2000:], temperature)
    sure, right = given.max(1), given.argmax(1) == codes[2000:]
    assert sure.mean() == pytest.approx(right.mean(), abs=0.03)
    assert temperature == pytest.approx(1 / sharpness, rel=0.2)
    assert (given.argmax(1) == scores[2000:].argmax(1)).all()


def test_the_awkward_ones() -> None:
    right = temperature_of(np.array([[9.0, 0.0]] * 5), np.zeros(5, int))
    assert chances(np.array([[9.0, 0.0]]), right)[0, 0] == pytest.approx(6 / 7, abs=1e-5), (
        "five right answers are no certainty"
    )
    knows_nothing = temperature_of(np.array([[5.0, 0.0], [0.0, 5.0]] * 20), np.array([0, 0] * 20))
    assert chances(np.array([[5.0, 0.0]]), knows_nothing)[0, 0] == pytest.approx(0.5, abs=0.01)
    unseen = np.array([[1.0, 0.0, -1e4]] * 4)
    assert np.isfinite(temperature_of(unseen, np.array([0, 0, 0, 1])))
    votes = np.array([[1.0, 0.0, 0.0]] * 10)
    found = temperature_of(votes, np.array([0] * 8 + [1, 2]), votes=True)
    assert chances(votes, found, votes=True)[0, 0] == pytest.approx(0.78, abs=0.05)
    assert chances(votes, votes=True)[0] == pytest.approx([1.0, 0.0, 0.0])
    assert chances(np.zeros((0, 3))).shape == (0, 3)
    assert chances(np.array([[1000.0, -1000.0]], np.float32)).sum() == pytest.approx(1.0)


def test_single_labels_are_scikit_learns_platt() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        scores = rng.normal(size=(150, 3)) * 3
        wanted = (rng.random(scores.shape) < 1 / (1 + np.exp(-(0.5 * scores - 1)))).astype(float)
        temperature, shift = logistic_of(scores, wanted)
        theirs = _SigmoidCalibration().fit(scores.ravel(), wanted.ravel())
        assert single_chances(scores, temperature, shift).ravel() == pytest.approx(
            theirs.predict(scores.ravel()), abs=2e-3
        )
    assert logistic_of(scores, np.zeros_like(scores)) == (1.0, 0.0)
    assert single_chances(np.array([[0.2, 0.9]]), votes=True)[0] == pytest.approx([0.2, 0.9])


@pytest.mark.parametrize(
    ("sure", "right", "accuracy", "bar"),
    [
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 1.0, 0.75),
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 0.75, 0.0),
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0], 0.6, 0.65),
        ([0.9, 0.9, 0.7], [1, 0, 1], 0.9, 1.0),
        ([0.6, 0.9, 0.9], [0, 1, 0], 0.5, 0.75),
        ([0.5], [0], 0.5, 1.0),
    ],
)
def test_bars_by_hand(sure: list[float], right: list[int], accuracy: float, bar: float) -> None:
    """Equal ones are answered together; the most rows that hold the accuracy; 1 where none do."""
    assert bar_for(np.array(sure), np.array(right, bool), accuracy) == pytest.approx(bar)


def test_a_bar_holds_on_the_rows_it_was_found_on() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        sure = np.round(rng.random(60), 2)
        right = rng.random(60) < sure
        bar = bar_for(sure, right, 0.8)
        given = sure >= bar
        assert not given.any() or right[given].mean() >= 0.8 - 1e-9
        for wider in np.unique(sure[sure < bar]):
            assert right[sure >= wider].mean() < 0.8


@pytest.mark.parametrize("way", ["nearest", "zero-shot", "features-lr", "features-svm", "features-rbf", "head"])
def test_every_way_is_calibrated_and_kept(way: str, base: Base, tmp_path: Path) -> None:
    recipe = preset(way).recipe(way, str(base("bert", "mean")), {"part": "classify", "wanted_accuracy": 0.9})
    train, held = labelled(60), labelled(30, start=100)
    fitted = fit(recipe, train, held, seed=1)
    assert set(fitted.found) == {"temperature", "reject_below"}
    answers = fitted.adaptation.answering.answer(held.inputs)
    assert answers.scores is not None
    assert answers.scores.sum(axis=1) == pytest.approx(1.0)
    given = [value is not None for value in answers.values]
    right = [a == b for a, b in zip(answers.values, held.gold, strict=True) if a is not None]
    assert not right or np.mean(right) >= 0.9
    predictions = predictions_of(fitted.adaptation.answering.task, held, answers, train.labels)
    assert (NONE_OF_THESE in predictions.labels) == (not all(given))
    plain = fit(recipe.changed({"task.temperature": 1.0, "task.reject_below": 0.0}), train, held, seed=1)
    assert plain.found == {}
    before = predictions_of(
        plain.adaptation.answering.task, held, plain.adaptation.answering.answer(held.inputs), train.labels
    )
    assert metric_of("log_loss").evidence(predictions).score() <= metric_of("log_loss").evidence(before).score() + 0.02
    fitted.adaptation.save(tmp_path / "kept")
    kept = Adaptation.load(tmp_path / "kept")
    assert [one.value for one in kept.predict(held.texts)] == answers.values
    assert kept.recipe.task.settings.temperature == fitted.found["temperature"]


def test_no_answer_is_given_below_the_bar() -> None:
    task = Classify(Classify.Settings(reject_below=0.7, temperature=1.0))
    answers = task.decode(
        [np.array([[np.log(8), np.log(2)]]), np.array([[np.log(6), np.log(4)]])], None, ["", ""], ("food", "health")
    )
    assert answers.values == ["food", None]
    assert answers.confidence == pytest.approx([0.8, 0.6])
    assert task.cells(None, {}) == {"predicted": None}
    examples = labelled(2, 2)
    found = predictions_of(task, examples, answers, ("food", "health"))
    assert found.labels == (NONE_OF_THESE, "food", "health")


def test_labels_that_no_train_row_has() -> None:
    from tagged import rows_of

    rows = rows_of({"text": "a", "label": "x"}, {"text": "b", "label": "z"})
    with pytest.raises(CheckError, match=r"no train row has \('z'\)") as error:
        Classify(Classify.Settings()).prepare(rows, what="test", labels=("x", "y"))
    assert "outside=none" in str(error.value)
    ready = Classify(Classify.Settings(outside="none")).prepare(rows, what="test", labels=("x", "y"))
    assert ready.gold == ("x", NONE_OF_THESE)
    assert ready.labels == ("x", "y")
    wider: Any = Classify(Classify.Settings(labels=("w",))).prepare(rows, what="train")
    assert wider.labels == ("w", "x", "z")
