"""Spans and several labels by writing: lists are read out of what was written, words found again, what was made up counted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tagged import rows_of, tagged
from tailorlm.comparison.evidence import counted
from tailorlm.comparison.report.answered import told
from tailorlm.context.prompt import TaskWords, propose
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks._lists import heard_spans, listed
from tailorlm.tasks._spans import words_of
from tailorlm.tasks.many_labels import ManyLabels
from tailorlm.tasks.tag import Tag
from writers import tiny_writer

TEXT = "Anna met Anna Lee in Rome. 東京 and Romeo 😀 e\u0301te"


def heard(said: str | None) -> Any:
    spans, counts = heard_spans(said, TEXT, words_of(TEXT), ("person", "place"))
    return (None if spans is None else [(TEXT[a:b], a, kind) for a, b, kind in spans]), counts


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("[]", []),
        ('["a", 1]', ["a", 1]),
        ('Here you are: ["a"] and more [1]', ["a"]),
        ('[see] ["a"]', ["a"]),
        ('```json\n["a"]\n```', ["a"]),
        ('{"a": 1}', None),
        ('["a"', None),
        ("", None),
        (None, None),
        ("[" * 50_000, None),
    ],
)
def test_the_first_list_is_read_whatever_stands_around_it(said: str | None, found: Any) -> None:
    assert listed(said) == found


def test_words_are_found_in_their_order_and_whole_words_first() -> None:
    said = (
        '[{"text": "Anna", "label": "person"}, {"text": "Anna", "label": "person"}, {"text": "Rome", "label": "place"}]'
    )
    assert heard(said)[0] == [("Anna", 0, "person"), ("Anna", 9, "person"), ("Rome", 21, "place")]
    said = '[{"text": "Romeo", "label": "person"}, {"text": "Rome", "label": "place"}]'
    assert heard(said)[0] == [("Rome", 21, "place"), ("Romeo", 34, "person")], (
        "a whole word in front of half a word behind"
    )
    said = '[{"text": "東京", "label": "place"}, {"text": " e\u0301te ", "label": "place"}, {"text": "om", "label": "place"}]'
    assert [one[0] for one in heard(said)[0]] == ["om", "東京", "e\u0301te"]


def test_what_stands_nowhere_and_what_has_no_type_is_counted() -> None:
    said = (
        '[{"text": "Paris", "label": "place"}, {"text": "Rome", "label": "city"}, "Rome", {"text": "", "label": "place"},'
        ' {"text": "Rome", "label": "place"}, {"text": "Rome", "label": "place"}, {"text": "Rome", "label": "place"}]'
    )
    spans, counts = heard(said)
    assert spans == [("Rome", 21, "place"), ("Rome", 34, "place")], "the third has no free place"
    assert counts == {"unread": False, "invented": 2, "unknown": 3}
    assert heard("I see none.") == (None, {"unread": True, "invented": 0, "unknown": 0})


def test_right_spans_come_back_from_what_would_be_written() -> None:
    task = Tag(Tag.Settings())
    rows = rows_of(
        {"text": TEXT, "spans": [[0, 4, "person"], [9, 17, "person"], [27, 29, "place"]]}, {"text": "none", "spans": []}
    )
    ready = task.prepare(rows, what="train")
    for value, gold in zip(ready.inputs, ready.gold, strict=True):
        said = task.written(gold, value)
        assert task.hear(said, ready.labels, value) == gold
        aside = task.aside(said, ready.labels, value)
        assert task.cells(gold, aside)["predicted"] == aside["spans"]
        assert aside["invented"] == aside["unknown"] == 0
    assert task.written(ready.gold[1], ready.inputs[1]) == "[]"


def test_labels_are_a_list_and_strange_ones_are_counted() -> None:
    task = ManyLabels(ManyLabels.Settings())
    assert task.written(["a", "b|c"], "x") == '["a", "b|c"]'
    assert task.hear('["b|c", "z", "a", "a", 3]', ("a", "b|c"), "x") == ["a", "b|c"]
    assert task.aside('["b|c", "z", 3]', ("a", "b|c"), "x") == {"unread": False, "unknown": 2}
    assert task.hear("a", ("a",), "x") is None
    assert task.cells(None, task.aside("a", ("a",), "x")) == {"predicted": []}


@pytest.mark.parametrize("kind", ["tag", "many_labels"])
def test_an_instruction_names_the_types_and_the_form(kind: str) -> None:
    for words in propose(TaskWords(kind, labels={"person": "person", "place": "place"})):
        assert "person, place" in words
        assert "JSON list" in words
    many = {f"t{i}": f"t{i}" for i in range(150)}
    assert "and 50 more" in propose(TaskWords(kind, labels=many))[0]


def test_a_model_that_writes_answers_with_spans(tmp_path: Path) -> None:
    """Random weights write no list: rows count as nothing found, and each answer says that it was not read."""
    writer = tiny_writer(tmp_path / "writer", "qwen2")
    context = {
        "part": "prompt",
        "examples": {"part": "random", "k": 1},
        "encoder": None,
        "writing": {"max_new_tokens": 4},
    }
    value = {
        "name": "x",
        "base": str(writer),
        "task": {"part": "tag", "max_length": 512},
        "answers": "written",
        "context": context,
    }
    recipe = validate(value, Recipe)
    task = recipe.task.make()
    train, held = task.prepare(tagged(6), what="train"), task.prepare(tagged(3, 50), what="validation")
    fitted = fit(recipe, train, held)
    assert fitted.score is not None
    assert fitted.score.value == 0.0
    answers = fitted.adaptation.predict([dict(row.values) for row in tagged(2, 90)])
    assert [answer.detail["unread"] for answer in answers] == [True, True]
    assert [task.cells(answer.value, answer.detail) for answer in answers] == [{"predicted": []}] * 2
    facts = counted(fitted.adaptation.answering.answer(held.inputs))
    assert facts["unread"] == 3
    assert told(facts | {"invented": 2}).endswith("3 wrote no list, 2 spans that stand nowhere in their text")


LABELLED = [Row({"text": f"a b {i}", "labels": ["x", "y"] if i % 2 else ["z"]}, "l.jsonl", i) for i in range(6)]
ROWS = {"tag": tagged(6), "many_labels": Rows(tuple(LABELLED), ("text", "labels"))}


def written_recipe(writer: Path, task: str, **context: Any) -> Recipe:
    shown = {"part": "prompt", "encoder": None, "writing": {"max_new_tokens": 60}} | context
    asked = {"part": task, "max_length": 512}
    value = {"name": "x", "base": str(writer), "task": asked, "answers": "written", "context": shown}
    return validate(value, Recipe)


@pytest.mark.parametrize("task", ["tag", "many_labels"])
def test_lists_can_be_held_to_their_json(task: str, tmp_path: Path) -> None:
    pytest.importorskip("llguidance")
    writer = tiny_writer(tmp_path / "writer", "qwen2")
    free, held = (written_recipe(writer, task, form=form) for form in ("free", "held"))
    rows = free.task.make().prepare(ROWS[task], what="train")
    assert all(one["unread"] for one in fit(free, rows).adaptation.answering.answer(rows.inputs).detail)
    adaptation = fit(held, rows).adaptation
    found = adaptation.answering.answer(rows.inputs)
    read = [one for one in found.detail if not one.get("fault")]
    assert len(read) >= 2, "random weights may write on and on, and some end"
    for one, value in zip(found.detail, found.values, strict=True):
        if one.get("fault"):
            assert (one["fault"], one["unread"]) == ("JSON that was not finished", True)
        else:
            assert not one["unread"]
            assert one.get("unknown", 0) == 0
            assert task == "tag" or set(value) <= set(rows.labels)
    adaptation.save(tmp_path / "kept")
    assert Adaptation.load(tmp_path / "kept").answering.answer(rows.inputs).values == found.values


def test_free_text_can_be_held_to_a_schema_and_what_cannot_be_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llguidance")
    writer = tiny_writer(tmp_path / "writer", "qwen2")
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    asked = Rows((Row({"prompt": "a", "completion": "{}"}, "p.jsonl", 1),), ("prompt", "completion"))
    held = written_recipe(writer, "generate", answer_schema=schema)
    rows = held.task.make().prepare(asked, what="train")
    (value,) = fit(held, rows).adaptation.answering.answer(rows.inputs).values
    assert json.loads(value)["n"] in (1, 2)
    with pytest.raises(UsageError, match="form: held is for answers that are lists"):
        fit(written_recipe(writer, "generate", form="held"), rows)
    tags = written_recipe(writer, "tag", answer_schema=schema)
    spans = tags.task.make().prepare(ROWS["tag"], what="train")
    with pytest.raises(UsageError, match=r"(?s)answer_schema is for free text that is JSON.*form: held"):
        fit(tags, spans)
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(TailorError, match="need llguidance"):
        fit(held, rows)
