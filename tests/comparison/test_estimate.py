"""The estimate: positive, growing with rows and work, and nowhere near free for what trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tailorlm.comparison import estimate as module
from tailorlm.comparison.estimate import estimate
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import fold
from tailorlm.core.config import validate
from tailorlm.recipes.presets import PRESETS
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]


@pytest.fixture(autouse=True)
def _same_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row takes 10 ms and the model has six blocks, whatever else the machine does."""
    monkeypatch.setattr(module, "_row_seconds", lambda recipe, texts, labels: (0.01, 6))


def seconds(rows: int, **changes: object) -> dict[str, float]:
    settings = CompareSettings.model_validate(changes)
    recipes = [preset.recipe(name, "starter", {"part": "classify"}) for name, preset in PRESETS.items()]
    data = labelled(rows)
    return estimate(recipes, fold(data, settings, 0), data, settings).seconds


def test_every_way_has_positive_seconds() -> None:
    found = seconds(60)
    assert set(found) == set(PRESETS)
    assert min(found.values()) > 0
    assert found["full"] > found["top-layers"] > found["features-lr"]
    assert found["full"] >= found["lora"] > 5 * found["features-svm"]


def test_more_rows_take_longer() -> None:
    few, many = seconds(60), seconds(240)
    assert all(many[name] > few[name] for name in few)


def test_smaller_trials_take_less() -> None:
    whole, part = seconds(120), seconds(120, search_rows=10)
    assert part["lora"] < whole["lora"]


@pytest.mark.parametrize("kind", ["multi_task", "intermediate_task", "masked_lm"])
def test_what_a_stage_brings_counts(kind: str, tmp_path: Path) -> None:
    settings, data, file = CompareSettings(), labelled(60), tmp_path / "other.csv"
    objective = {
        "multi_task": {"tasks": [{"rows": str(file)}], "sampling": "size"},
        "intermediate_task": {"rows": str(file)},
        "masked_lm": {"text": str(file)},
    }[kind]
    stage = {"weights": "lora", "objective": {"part": kind} | objective}
    stages = [stage, *([] if kind == "multi_task" else [{"weights": "head"}])]
    made = validate({"name": "x", "task": "classify", "stages": stages}, Recipe)
    found = []
    for times in (1, 10):
        file.write_text("text,label\n" + "".join(f"{text},a\n" for text in data.texts * times))
        found.append(estimate([made], fold(data, settings, 0), data, settings).seconds["x"])
    assert 3 < found[1] / found[0] < 11


def test_seeds_multiply() -> None:
    assert module.Estimate({"a": 2.0, "b": 3.0}, 0.1).total(3) == 15


def test_a_row_is_really_timed(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    settings, data = CompareSettings(), labelled(30)
    recipe = PRESETS["lora"].recipe("lora", str(base()), {"part": "classify"})
    found = estimate([recipe], fold(data, settings, 0), data, settings)
    assert 1e-6 < found.row_seconds < 0.5
    assert 0.1 < found.seconds["lora"] < 600
