"""Every setting of the tasks `tag` and `generate`, and of the context `prompt`, changes something that can be seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tailorlm.context import contexts
from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Row, Rows
from tailorlm.models.decoder import load_writer
from tailorlm.models.resolve import resolve
from tailorlm.recipes.schema import Recipe
from tailorlm.recipes.writing import WriteAnswering
from tailorlm.tasks import tasks
from tiny import labelled, tokenizer
from writers import tiny_writer

TAGGED = {
    "tokens": ["a", "pay", "b"],
    "tags": ["O", "I-x", "O"],
    "words": ["pay", "c"],
    "marks": ["B-y", "O"],
    "no": "7",
}
TEXT = {"text": "New York City", "spans": [[0, 13, "a"], [0, 8, "b"]], "body": "a b", "parts": [[0, 1, "c"]], "no": "7"}
PAIR = {"prompt": "p", "completion": "c", "other": "o", "reply": "r", "more": "m", "role": "s", "no": "7"}
FLAT = {"nested": "outermost"}


def seen(task: str, row: dict[str, Any], settings: dict[str, Any]) -> Any:
    """What a task makes of one row, or the fault it finds."""
    made = tasks.get(task)
    part = made(validate(settings, made.Settings))
    try:
        ready = part.prepare(Rows((Row(row, "f.jsonl", 1),), tuple(row)), what="train")
    except TailorError as error:
        return str(error)
    return ready.ids, ready.inputs, ready.gold


def windows(settings: dict[str, Any]) -> Any:
    part = tasks.get("tag")(validate(settings, tasks.get("tag").Settings))
    inputs = part.inputs(["pay the fee now and the tax then or a loan for the bank as you like it " * 2])
    readings = part.read(tokenizer("bert"), inputs, part.settings.max_length)
    return readings.tokens, readings.places


@cache
def writer_folder(root: Path) -> Path:
    return tiny_writer(root / "writer", "qwen2")


def shown(settings: dict[str, Any], root: Path, task: str = "classify") -> Any:
    """The prompts of a recipe, and its answers."""
    recipe = validate(
        {"name": "x", "base": str(writer_folder(root)), "task": task, "answers": "written"}
        | {"context": {"part": "prompt"} | settings},
        Recipe,
    )
    rows = labelled(9, 3)
    if task == "generate":
        values = [{"prompt": text, "completion": gold} for text, gold in zip(rows.texts, rows.gold, strict=True)]
        rows = recipe.task.make().prepare(
            Rows(tuple(Row(v, "f", i) for i, v in enumerate(values)), ("prompt", "completion")), what="train"
        )
    model = load_writer(resolve(recipe.base), max_length=recipe.task.settings.max_length)
    answering = WriteAnswering.of(recipe, model, rows)
    some = rows.inputs[:3]
    answers = answering.answer(some, rows.ids[:3])
    scores = None if answers.scores is None else answers.scores.round(5).tolist()
    return answering.prompts(some, rows.ids[:3]), answers.values, answers.detail, scores


TAG = {
    "text": lambda v: seen("tag", TEXT, FLAT | {"spans": "parts"} | v),
    "spans": lambda v: seen("tag", TEXT, FLAT | {"text": "body"} | v),
    "tokens": lambda v: seen("tag", TAGGED, {"tags": "marks"} | v),
    "tags": lambda v: seen("tag", TAGGED, {"tokens": "words"} | v),
    "id": lambda v: seen("tag", TAGGED, v),
    "nested": lambda v: seen("tag", TEXT, v),
    "illegal": lambda v: seen("tag", TAGGED | {"tags": ["B-x", "O", "I-x"]}, v),
    "max_length": windows,
    "stride": lambda v: windows({"max_length": 16} | v),
}
TAG_VALUES = {
    "text": "body",
    "spans": "parts",
    "tokens": "words",
    "tags": "marks",
    "id": "no",
    "nested": "innermost",
} | {
    "illegal": "refuse",
    "max_length": 16,
    "stride": 2,
}
GENERATE_VALUES = {
    "prompt": "other",
    "answer": "reply",
    "input": "more",
    "system": "role",
    "id": "no",
    "max_length": 64,
}
PROMPT_VALUES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "instruction": ("Say it.", {}, "classify"),
    "examples": ({"part": "balanced", "k": 2}, {}, "classify"),
    "encoder": (None, {"examples": {"part": "nearest", "k": 2}}, "classify"),
    "passages": ("<index>", {}, "classify"),
    "search": ({"k": 1}, {"passages": "<index>"}, "classify"),
    "layout": ({"query": "Text: {}"}, {}, "classify"),
    "writing": ({"max_new_tokens": 2}, {}, "generate"),
    "choose": ("write", {}, "classify"),
    "calibrate": (True, {}, "classify"),
}


def test_the_tables_hold_every_key() -> None:
    assert set(TAG) == set(TAG_VALUES) == set(tasks.get("tag").Settings.model_fields)
    assert set(GENERATE_VALUES) == set(tasks.get("generate").Settings.model_fields)
    assert set(PROMPT_VALUES) == set(contexts.get("prompt").Settings.model_fields)


@pytest.mark.parametrize("key", TAG)
def test_every_setting_of_tag(key: str) -> None:
    assert TAG[key]({key: TAG_VALUES[key]}) != TAG[key]({})


@pytest.mark.parametrize("key", [key for key in GENERATE_VALUES if key != "max_length"])
def test_every_setting_of_generate(key: str) -> None:
    assert seen("generate", PAIR, {key: GENERATE_VALUES[key]}) != seen("generate", PAIR, {})


def test_the_length_of_generate_bounds_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = writer_folder(tmp_path_factory.getbasetemp())
    assert load_writer(resolve(str(folder)), max_length=64).max_length == 64


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("index")
    (root / "docs").mkdir()
    for name, text in (
        ("a", "The fee for a wire is two."),
        ("b", "A loan takes a week."),
        ("c", "Bread is baked at noon."),
    ):
        (root / "docs" / f"{name}.txt").write_text(text, encoding="utf-8")
    PassageIndex.build(root / "index", [str(root / "docs")], validate({"encoder": None}, IndexSettings))
    return root / "index"


@pytest.mark.parametrize("key", PROMPT_VALUES)
def test_every_setting_of_prompt(key: str, handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    value, beside, task = PROMPT_VALUES[key]
    root = tmp_path_factory.getbasetemp()

    def with_index(settings: dict[str, Any]) -> dict[str, Any]:
        return {name: str(handbook) if one == "<index>" else one for name, one in settings.items()}

    before, after = with_index(beside), with_index(beside | {key: value})
    assert shown(after, root, task) != shown(before, root, task)
