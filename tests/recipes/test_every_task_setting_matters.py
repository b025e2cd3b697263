"""Every setting of the tasks `tag` and `generate`, and of the context `prompt`, changes something that can be seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.context import contexts
from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Row, Rows
from tailorlm.models.decoder import load_writer
from tailorlm.models.resolve import resolve
from tailorlm.recipes.answering.writing import WriteAnswering
from tailorlm.recipes.schema import Recipe
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


def seen(task: str, row: dict[str, Any], settings: dict[str, Any], other: dict[str, Any] | None = None) -> Any:
    """What a task makes of one row (or two), or the fault it finds."""
    made = tasks.get(task)
    part = made(validate(settings, made.Settings))
    rows = [row] if other is None else [row, {**other, "score": 1, "stars": 1, "no": "8", "labels": "w|x;v"}]
    try:
        ready = part.prepare(Rows(tuple(Row(r, "f.jsonl", i) for i, r in enumerate(rows)), tuple(row)), what="train")
    except TailorError as error:
        return str(error)
    return ready.ids, ready.inputs, ready.gold, ready.sources, ready.labels, ready.against


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


def decoded(settings: dict[str, Any]) -> Any:
    """How scores and targets belong together, which decides the head, the loss and how answers are read."""
    return tasks.get("tag")(validate(settings, tasks.get("tag").Settings)).target


TAG = {
    "text": lambda v: seen("tag", TEXT, FLAT | {"spans": "parts"} | v),
    "spans": lambda v: seen("tag", TEXT, FLAT | {"text": "body"} | v),
    "tokens": lambda v: seen("tag", TAGGED, {"tags": "marks"} | v),
    "tags": lambda v: seen("tag", TAGGED, {"tokens": "words"} | v),
    "id": lambda v: seen("tag", TAGGED, v),
    "nested": lambda v: seen("tag", TEXT, v),
    "illegal": lambda v: seen("tag", TAGGED | {"tags": ["B-x", "O", "I-x"]}, v),
    "decoder": decoded,
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
    "decoder": "crf",
    "max_length": 16,
    "stride": 2,
}
GENERATE_VALUES = {
    "prompt": "other",
    "answer": "reply",
    "input": "more",
    "system": "role",
    "rejected": "reply",
    "id": "no",
    "document": "more",
    "span": "other",
    "max_length": 64,
}
LANGUAGE_VALUES = {"text": "other", "id": "no", "max_length": 64}
PROMPT_VALUES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "instruction": ("Say it.", {}, "classify"),
    "examples": ({"part": "balanced", "k": 2}, {}, "classify"),
    "encoder": (None, {"examples": {"part": "nearest", "k": 2}}, "classify"),
    "passages": ("<index>", {}, "classify"),
    "search": ({"k": 1}, {"passages": "<index>"}, "classify"),
    "budget": (0, {"examples": {"part": "balanced", "k": 2}}, "classify"),
    "optimise": (8, {}, "classify"),
    "layout": ({"query": "Text: {}"}, {}, "classify"),
    "writing": ({"max_new_tokens": 2}, {}, "generate"),
    "choose": ("write", {}, "classify"),
    "calibrate": (True, {}, "classify"),
    "form": ("held", {}, "tag"),
    "answer_schema": ({"type": "integer"}, {}, "generate"),
}


SEVERAL = {"text": "a b", "labels": "x|y;z", "other": "c", "kinds": ["u", "v"], "no": "7"}
RATED = {"text": "a b", "score": 3, "other": "c", "stars": 5, "no": "7"}
COLUMNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "many_labels": (
        SEVERAL,
        {"text": "other", "second": "other", "label": "kinds", "separator": ";", "id": "no", "labels": ["beyond"]},
    ),
    "score": (RATED, {"text": "other", "second": "other", "label": "stars", "id": "no"}),
}
DECODED: dict[str, dict[str, Any]] = {
    "many_labels": {"threshold": 0.9, "least": 1, "temperature": 9.0, "shift": 4.0},
    "score": {"middle": 10.0, "spread": 3.0, "low": 0.5, "high": 1.2, "rounding": "nearest"}
    | {"levels": [0.0, 1.5, 3.0], "cuts": [0.1, 2.5]},
}


def decoded(task: str, settings: dict[str, Any]) -> Any:
    """What scores are read back as."""
    part = tasks.get(task)(validate(settings, tasks.get(task).Settings))
    labels = ("x", "y") if task == "many_labels" else ()
    readings = part.read(tokenizer("bert"), ["pay", "fee", "tax"], 16)
    scores = [np.array([[high, -3.0][: len(labels) or 1]]) for high in (-2.0, 1.0, 2.0)]
    answers = part.decode(scores, readings, ["pay", "fee", "tax"], labels)
    return answers.values, None if answers.confidence is None else answers.confidence.tolist()


def lengths(task: str, settings: dict[str, Any]) -> Any:
    part = tasks.get(task)(validate(settings, tasks.get(task).Settings))
    return part.read(tokenizer("bert"), ["pay the fee " * 9], part.settings.max_length).lengths


@pytest.mark.parametrize(("task", "key"), [(task, key) for task in DECODED for key in DECODED[task]])
def test_every_setting_of_how_scores_are_read(task: str, key: str) -> None:
    beside = (
        {"levels": [0.0, 1.0, 2.0], "rounding": "none" if key == "rounding" else "fitted"} if task == "score" else {}
    )
    assert decoded(task, beside | {key: DECODED[task][key]}) != decoded(task, beside)


@pytest.mark.parametrize(("task", "key"), [(task, key) for task in COLUMNS for key in COLUMNS[task][1]])
def test_every_column_of_many_labels_and_score(task: str, key: str) -> None:
    row, values = COLUMNS[task]
    second = {name: ["u", "w"] if isinstance(value, list) else value for name, value in row.items()}
    assert seen(task, row, {key: values[key]}, other=second) != seen(task, row, {}, other=second)


@pytest.mark.parametrize("task", COLUMNS)
def test_the_length_of_texts(task: str) -> None:
    assert lengths(task, {"max_length": 8}) != lengths(task, {})
    known = set(COLUMNS[task][1]) | set(DECODED[task]) | {"max_length"}
    assert known == set(tasks.get(task).Settings.model_fields)


ASKED = {
    "question": "what",
    "context": "pay the fee or the tax now",
    "answers": {"text": ["fee"], "answer_start": [8]},
    "query": "who",
    "passage": "the fee",
    "spans": [{"text": "fee or", "answer_start": 8}],
    "no": "7",
}
EXTRACT: dict[str, Any] = {"question": "query", "context": "passage", "answers": "spans", "id": "no"}


def quoted(settings: dict[str, Any]) -> Any:
    """What scores are read back as, with windows where the context is long."""
    part = tasks.get("extract")(validate(settings, tasks.get("extract").Settings))
    inputs = [["what", "pay the fee or the tax now " * 12], ["what", "pay the fee"]]
    readings = part.read(tokenizer("bert"), inputs, part.settings.max_length)
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(size, 2)) for size in readings.sizes]
    scores[-1][0] += 2.0
    return part.decode(scores, readings, inputs, ()).detail


@pytest.mark.parametrize("key", EXTRACT)
def test_every_column_of_extract(key: str) -> None:
    assert seen("extract", ASKED, {key: EXTRACT[key]}) != seen("extract", ASKED, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_length", 16), ("stride", 2), ("longest", 3), ("no_answer", False), ("threshold", 9.0), ("candidates", 2)],
)
def test_every_setting_of_how_answers_are_found(key: str, value: Any) -> None:
    beside = {"max_length": 24} if key == "stride" else {}
    assert quoted(beside | {key: value}) != quoted(beside)


def test_the_tables_hold_every_key() -> None:
    searched = {"retrieve"}  # test_searching.py
    assert set(tasks) - searched == {"classify", "extract", "generate", "language", "many_labels", "score", "tag"}
    found = {"max_length", "stride", "longest", "no_answer", "threshold", "candidates"}
    assert set(EXTRACT) | found == set(tasks.get("extract").Settings.model_fields)
    assert set(TAG) == set(TAG_VALUES) == set(tasks.get("tag").Settings.model_fields)
    assert set(GENERATE_VALUES) == set(tasks.get("generate").Settings.model_fields)
    assert set(LANGUAGE_VALUES) == set(tasks.get("language").Settings.model_fields)
    assert set(PROMPT_VALUES) == set(contexts.get("prompt").Settings.model_fields)


@pytest.mark.parametrize("key", TAG)
def test_every_setting_of_tag(key: str) -> None:
    assert TAG[key]({key: TAG_VALUES[key]}) != TAG[key]({})


@pytest.mark.parametrize("key", [key for key in GENERATE_VALUES if key != "max_length"])
def test_every_setting_of_generate(key: str) -> None:
    beside = {"document": "no"} if key == "span" else {}
    assert seen("generate", PAIR, beside | {key: GENERATE_VALUES[key]}) != seen("generate", PAIR, beside)


@pytest.mark.parametrize("key", ["text", "id"])
def test_every_column_of_language(key: str) -> None:
    row = {"text": "a b", "other": "c", "no": "7"}
    assert seen("language", row, {key: LANGUAGE_VALUES[key]}) != seen("language", row, {})


def test_the_length_of_generate_and_language_bounds_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
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


# What `optimise` does is seen where validation rows are (test_writing.py), what holds answers to JSON in test_written_lists.py.
ELSEWHERE = ("optimise", "form", "answer_schema")


@pytest.mark.parametrize("key", [key for key in PROMPT_VALUES if key not in ELSEWHERE])
def test_every_setting_of_prompt(key: str, handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    value, beside, task = PROMPT_VALUES[key]
    root = tmp_path_factory.getbasetemp()

    def with_index(settings: dict[str, Any]) -> dict[str, Any]:
        return {name: str(handbook) if one == "<index>" else one for name, one in settings.items()}

    before, after = with_index(beside), with_index(beside | {key: value})
    assert shown(after, root, task) != shown(before, root, task)
