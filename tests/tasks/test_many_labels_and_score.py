"""`many_labels` and `score`: columns, thresholds and scales by hand; every way learns, is kept and answers alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score

from tagged import rows_of
from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data.rows import Rows
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.tasks.many_labels import ManyLabels, best_threshold
from tailorlm.tasks.score import Score
from tailorlm.weights.features import regression_heads
from tiny import TOPICS

Base = Callable[..., Path]
MONEY, FOOD = TOPICS["money"].split(), TOPICS["food"].split()


def many(**changes: Any) -> ManyLabels:
    return ManyLabels(ManyLabels.Settings(**changes))


def score(**changes: Any) -> Score:
    return Score(Score.Settings(**changes))


def mixed(count: int, task: str, start: int = 0) -> Rows:
    """Texts of money and food words: the labels that stand in them, or how many food words there are."""
    values = []
    for i in range(start, start + count):
        food = i % 4
        words = [FOOD[(i + j) % len(FOOD)] for j in range(food)] + [
            MONEY[(i + j) % len(MONEY)] for j in range(3 - food)
        ]
        answer: Any = float(10 + food)
        if task == "many_labels":
            answer = [name for name, there in (("food", food > 0), ("money", food < 3)) if there]
        values.append({"text": " ".join(words), "labels" if task == "many_labels" else "score": answer})
    return rows_of(*values)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([["b", "a"], [], ["a "]], [["a", "b"], [], ["a"]]),
        (["a|b", "", "c, d"], [["a", "b"], [], ["c, d"]]),
        (["a; b;", "b"], [["a", "b"], ["b"]]),
        (["a, b", "東京,😀"], [["a", "b"], ["東京", "😀"]]),
        ([[1, 2], [2]], [["1", "2"], ["2"]]),
    ],
)
def test_labels_come_as_lists_or_with_a_separator(cells: list[Any], expected: Any) -> None:
    rows = rows_of(*({"text": "x", "labels": cell} for cell in cells))
    ready = many().prepare(rows, what="train")
    assert list(ready.gold) == expected
    whole = rows_of({"text": "x", "labels": ready.labels[-1]})
    assert many().prepare(whole, what="test", labels=ready.labels).gold == ([ready.labels[-1]],)


def test_faults_of_labels_and_numbers_are_named() -> None:
    rows = rows_of(
        {"text": "x", "labels": ["a"]},
        {"text": "", "labels": ["a"]},
        {"text": "x", "labels": None},
        {"text": "x", "labels": [""]},
    )
    assert sorted(many().faults(rows)) == [1, 2, 3]
    with pytest.raises(CheckError, match="1 label"):
        many().prepare(rows_of({"text": "x", "labels": ["a"]}), what="train")
    with pytest.raises(CheckError, match="no train row has \\('z'\\)"):
        many().prepare(rows_of({"text": "x", "labels": ["z"]}), what="test", labels=("a", "b"))
    cells: list[Any] = ["4", 4, " 3.5 ", "1e2", None, "four", "nan", "1_000", True, [1]]
    rows = rows_of(*({"text": "x", "score": cell} for cell in cells))
    assert sorted(score().faults(rows)) == [4, 5, 6, 7, 8, 9]
    with pytest.raises(CheckError, match="the same number"):
        score().prepare(rows_of({"text": "x", "score": 1}), what="train")


def test_the_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(15):
        chances = np.round(rng.random((int(rng.integers(1, 20)), 3)), 1)
        wanted = (rng.random(chances.shape) < chances).astype(float)
        found = best_threshold(chances, wanted)
        said = f1_score(wanted, chances >= found, average="micro", zero_division=0)
        cuts = np.arange(-0.05, 1.1, 0.1)
        best = max(f1_score(wanted, chances >= cut, average="micro", zero_division=0) for cut in cuts)
        assert said == pytest.approx(best)
    assert best_threshold(np.zeros((0, 2)), np.zeros((0, 2))) == 0.5


def test_numbers_are_read_back_within_their_range() -> None:
    made = score(middle=3.0, spread=2.0, low=1.0, high=5.0)
    answers = made.decode([np.array([[0.5]]), np.array([[9.0]]), np.array([[-9.0]])], None, [""] * 3, ())  # type: ignore[arg-type]
    assert answers.values == [4.0, 5.0, 1.0]
    ready = score().prepare(mixed(8, "score"), what="train")
    assert score().settle(ready) == pytest.approx({"middle": 11.5, "spread": 1.25**0.5, "low": 10.0, "high": 13.0})
    assert "middle" not in score(middle=0.0).settle(ready)


def test_a_ridge_head_is_scikit_learns() -> None:
    import torch

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    numbers = rng.normal(size=(40, 1))
    head = regression_heads(vectors, numbers, 1, 10.0)
    expected = Ridge(alpha=0.1).fit(vectors, numbers[:, 0]).predict(vectors)
    assert head(torch.from_numpy(vectors)).detach().numpy()[:, 0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("task", ["many_labels", "score"])
@pytest.mark.parametrize(
    "way", ["nearest", "features-lr", "features-svm", "head", "top-layers", "bitfit", "lora", "full"]
)
def test_every_way_learns_is_kept_and_answers_alike(way: str, task: str, base: Base, tmp_path: Path) -> None:
    recipe = preset(way).recipe(way, str(base("bert", "mean", hidden_dropout_prob=0.0)), {"part": task})
    if way in ("top-layers", "bitfit", "lora", "full"):
        recipe = recipe.changed({"stages.0.train.epochs": 6, "stages.0.weights.lr": 3e-3})
    made = recipe.task.make()
    train, test = made.prepare(mixed(60, task), what="train"), made.prepare(mixed(24, task, 100), what="test")
    fitted = fit(recipe, train, test, seed=1)
    assert fitted.score is not None
    assert fitted.score.value > (0.8 if task == "many_labels" else 0.5)
    assert ("threshold" in fitted.found) == (task == "many_labels")
    texts = [*test.texts[:5], "", "😀"]
    answers = fitted.adaptation.predict(texts)
    fitted.adaptation.save(tmp_path / "kept")
    kept = Adaptation.load(tmp_path / "kept")
    again, before = ([one.value for one in found] for found in (kept.predict(texts), answers))
    assert again == (before if task == "many_labels" else pytest.approx(before, abs=1e-5))
    if task == "many_labels":
        assert kept.recipe.task.make().settings.threshold == fitted.found["threshold"]
        assert all(one.value for one in answers), "each train row has a label, so each answer has one"
    else:
        assert all(10.0 <= one.value <= 13.0 for one in answers)


@pytest.mark.parametrize(("way", "said"), [("zero-shot", "label names alone"), ("features-rbf", "RBF")])
@pytest.mark.parametrize("task", ["many_labels", "score"])
def test_ways_that_cannot_answer_say_so(way: str, said: str, task: str, base: Base) -> None:
    recipe = preset(way).recipe(way, str(base("bert", "mean")), {"part": task})
    with pytest.raises(TailorError, match=said):
        fit(recipe, recipe.task.make().prepare(mixed(12, task), what="train"))
