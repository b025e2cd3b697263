"""The public functions as the documentation shows them, and their faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import Nine, quick, some_rows, write_rows

import tailorlm
from tailorlm import TailorError
from tailorlm.core.errors import UsageError
from tailorlm.recipes.presets import METHODS, STANDARD

Base = Callable[..., Path]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.csv", some_rows(30))


def test_the_public_names_are_there() -> None:
    for name in tailorlm.__all__:
        assert getattr(tailorlm, name) is not None
    assert len(tailorlm.__all__) == 10
    with pytest.raises(AttributeError):
        _ = tailorlm.nothing


def test_methods_have_a_line_each() -> None:
    assert set(tailorlm.methods()) == set(METHODS)
    assert all(line and "\n" not in line for line in tailorlm.methods().values())


def test_fit_predict_save_and_load(rows: Path, base: Base, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    model = tailorlm.fit("head", rows, base=str(base()), out=tmp_path / "mine", listen=events.append)
    assert {"trial", "step", "validation", "last-fit"} <= {event["event"] for event in events}
    answers = model.predict([{"text": "bread cake"}, "loan money"])
    assert [answer.label in {"food", "health", "money"} for answer in answers] == [True, True]
    assert all(0 < answer.confidence <= 1 for answer in answers)
    again = tailorlm.load(tmp_path / "mine")
    assert again.predict(["bread cake"]) == model.predict(["bread cake"])
    model.save(tmp_path / "copy")
    assert (tailorlm.load(tmp_path / "copy", base=str(base())).scores(["x"]) == model.scores(["x"])).all()


@pytest.mark.parametrize("kind", ["mapping", "recipe"])
def test_fit_takes_a_recipe(kind: str, rows: Path, base: Base, tmp_path: Path) -> None:
    value: Any = quick("mine", base=str(base()))
    recipe = tailorlm.Recipe.model_validate(value) if kind == "recipe" else value
    assert tailorlm.fit(recipe, rows, out=tmp_path / "mine").recipe.name == "mine"


def test_fit_into_a_folder_that_is_there(rows: Path, base: Base, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(TailorError, match="exists already"):
        tailorlm.fit("zero-shot", rows, base=str(base()), out=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_comparison_gives_its_adaptations(nine: Nine) -> None:
    done = nine.comparison
    assert done.adaptation().recipe.name == done.recommended
    assert done.adaptation("lora").recipe.name == "lora"
    assert set(done.scores()) == set(done.scores("macro_f1")) == set(STANDARD)
    with pytest.raises(TailorError, match="no way called 'lroa'") as fault:
        done.adaptation("lroa")
    assert "lora" in str(fault.value)
    with pytest.raises(TailorError, match="no metric in this comparison called 'recal'"):
        done.scores("recal")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"methods": ["lroa"]}, "'lora'"),
        ({"methods": []}, "ways"),
        ({"methods": [3]}, "neither a method's name nor a recipe"),
        ({"sedes": 3}, "'seeds'"),
        ({"seeds": 0}, "greater than or equal to 1"),
        ({"metric": "acuracy"}, "'accuracy'"),
        ({"text": "txt"}, "--text text"),
        ({"base": "nothing"}, "--model starter"),
    ],
)
def test_faults_come_before_anything_slow(
    changes: dict[str, Any], expected: str, rows: Path, base: Base, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"methods": ["lora"], "base": str(base()), "folder": tmp_path / "runs"} | changes
    with pytest.raises(TailorError) as fault:
        tailorlm.compare(rows, **settings)
    assert expected in str(fault.value)
    assert not (tmp_path / "runs").exists()


def test_an_unknown_method_to_fit(rows: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'lora'"):
        tailorlm.fit("lroa", rows)
