"""`score` for ratings: levels from the rows, cuts from validation rows, tables by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tagged import rows_of
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, UsageError
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.kinds import kind_of
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.tasks.score import Score, best_cuts, half_way

Base = Callable[..., Path]


def score(**changes: Any) -> Score:
    return Score(validate(changes, Score.Settings))


def test_levels_come_from_the_train_rows() -> None:
    rows = rows_of(*({"text": "x", "score": n} for n in (5, 1, 3, 1)))
    ready = score().prepare(rows, what="train")
    assert score(rounding="nearest").settle(ready)["levels"] == [1.0, 3.0, 5.0]
    assert "levels" not in score().settle(ready)
    assert "levels" not in score(rounding="nearest", levels=[1, 2]).settle(ready)
    many = score().prepare(rows_of(*({"text": "x", "score": n} for n in range(30))), what="train")
    with pytest.raises(CheckError, match="30 different numbers"):
        score(rounding="fitted").settle(many)


def test_answers_are_levels() -> None:
    made = score(rounding="nearest", levels=[1, 2, 5])
    given = [np.array([[n]]) for n in (-4.0, 1.4, 1.5, 3.4, 3.6, 99.0)]
    assert made.decode(given, None, [""] * 6, ()).values == [1.0, 1.0, 2.0, 2.0, 5.0, 5.0]  # type: ignore[arg-type]
    cut = score(rounding="fitted", levels=[1, 2, 5], cuts=[0.0, 3.5])
    assert cut.decode(given, None, [""] * 6, ()).values == [1.0, 2.0, 2.0, 2.0, 5.0, 5.0]  # type: ignore[arg-type]
    assert made.decode([], None, [], ()).values == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [{"levels": [2, 1]}, {"levels": [1, 1]}, {"levels": [1]}, {"cuts": [2, 1]}, {"levels": [1, 2, 3], "cuts": [1.5]}],
)
def test_levels_and_cuts_that_do_not_fit_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"levels|cuts"):
        score(**bad)


def test_cuts_never_lose_against_half_way() -> None:
    rng = np.random.default_rng(0)
    levels = [1.0, 2.0, 3.0, 4.0, 5.0]
    for _ in range(30):
        gold = rng.choice(levels, 80, p=[0.05, 0.05, 0.1, 0.2, 0.6])
        numbers = gold.mean() + 0.4 * (gold - gold.mean()) + rng.normal(size=80) * 0.3
        cuts = best_cuts(numbers, gold, levels)
        assert cuts == sorted(cuts)
        assert len(cuts) == 4

        def kappa(places: Any, numbers: Any = numbers, gold: Any = gold) -> float:
            said = np.array(levels)[np.searchsorted(places, numbers, side="right")]
            return float(
                cohen_kappa_score(gold.astype(int), said.astype(int), weights="quadratic", labels=[1, 2, 3, 4, 5])
            )

        assert kappa(cuts) >= kappa(half_way(levels)) - 1e-9
    perfect = best_cuts(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])
    assert perfect == pytest.approx([0.15, 0.25])
    assert best_cuts(np.array([2.0, 2.0]), np.array([1.0, 2.0]), [1.0, 2.0]) == [1.5]


def test_cuts_are_found_carried_and_kept(base: Base, tmp_path: Path) -> None:
    words = {1: "hurt ill pain", 2: "cold cough bone", 3: "and the you", 4: "win goal race", 5: "cake butter sugar"}
    rows = rows_of(*({"text": f"{words[1 + i % 5]} {i}", "score": 1 + i % 5} for i in range(60)))
    recipe = preset("features-lr").recipe("ratings", str(base("bert", "mean")), {"part": "score", "rounding": "fitted"})
    train = recipe.task.make().prepare(rows, what="train")
    fitted = fit(recipe, train, train.select(range(30)), seed=0)
    assert set(fitted.found) == {"cuts"}
    assert len(fitted.found["cuts"]) == 4
    answers = [one.value for one in fitted.adaptation.predict(train.texts[:10])]
    assert set(answers) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    fitted.adaptation.save(tmp_path / "kept")
    assert [one.value for one in Adaptation.load(tmp_path / "kept").predict(train.texts[:10])] == answers


def test_tables_by_step() -> None:
    found = Predictions(("a", "b", "c"), (1.0, 10.0, 2.0), (1.4, 5.9, 2.0), kind="number")
    tables = kind_of("number").tables(found)
    assert tables["confusion"] == {"labels": ["1", "2", "10"], "counts": [[1, 0, 0], [0, 1, 0], [0, 1, 0]]}
    assert tables["most_confused"] == [{"gold": "10", "predicted": "2", "count": 1}]
    assert [row["f1"] for row in tables["per_label"]] == pytest.approx([1.0, 2 / 3, 0.0])
    assert kind_of("number").tables(Predictions(("a",), (1.0,), (2.0,), kind="number")) == {}
