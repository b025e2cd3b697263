"""The contract of tasks: columns are checked, rows become examples in their order, what is asked of a head leads back to answers, metrics fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asked import asked
from tagged import tagged
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import fits, metric_of, metrics
from tailorlm.tasks import tasks
from tiny import labelled, tokenizer

NAMES = list(tasks)


def test_the_suite_found_every_task() -> None:
    assert NAMES == ["classify", "extract", "generate", "language", "many_labels", "retrieve", "score", "tag"]


def made(name: str, **settings: Any) -> Any:
    part = tasks.get(name)
    return part(part.Settings(**settings))


def given(name: str, count: int = 6) -> Rows:
    if name == "tag":
        return tagged(count)
    if name == "extract":
        return asked(count)
    if name == "generate":
        values = [{"prompt": f"what is {i}", "completion": f"number {i}"} for i in range(count)]
        return Rows(tuple(Row(value, "rows.jsonl", i) for i, value in enumerate(values, 1)), ("prompt", "completion"))
    if name == "language":
        values = [{"text": f"Fee {i} is due."} for i in range(count)]
        return Rows(tuple(Row(value, "rows.jsonl", i) for i, value in enumerate(values, 1)), ("text",))
    if name == "retrieve":
        values = [{"query": f"fee {i}", "passage": f"the fee of {i} is due"} for i in range(count)]
        return Rows(tuple(Row(value, "rows.jsonl", i) for i, value in enumerate(values, 1)), ("query", "passage"))
    if name in ("many_labels", "score"):
        column, answers = {
            "many_labels": ("labels", [["a", "b"], ["b"], [], ["c"]]),
            "score": ("score", [1.0, 2.5, 4.0, 3.0]),
        }[name]
        values = [{"text": f"fee {i}", column: answers[i % 4]} for i in range(count)]
        return Rows(tuple(Row(value, "rows.jsonl", i) for i, value in enumerate(values, 1)), ("text", column))
    rows = labelled(count, 3)
    values = [{"text": text, "label": label} for text, label in zip(rows.texts, rows.gold, strict=True)]
    return Rows(tuple(Row(value, "rows.csv", i) for i, value in enumerate(values, 2)), ("text", "label"))


@pytest.mark.parametrize("name", NAMES)
def test_metrics_score_its_kind_of_answers(name: str) -> None:
    part = tasks.get(name)
    assert part.metrics
    assert set(part.metrics) <= set(metrics)
    assert all(fits(metric_of(metric), part.answers) for metric in part.metrics)


@pytest.mark.parametrize("name", NAMES)
def test_rows_become_examples_in_their_order(name: str) -> None:
    rows, task, kind = given(name), made(name), kind_of(tasks.get(name).answers)
    task.columns(rows, what="train")
    assert task.faults(rows) == {}
    ready = task.prepare(rows, what="train")
    assert len(ready) == len(rows) == len(ready.inputs) == len(ready.strata)
    assert ready.ids == tuple(row.where for row in rows)
    assert list(ready.labels) == sorted(ready.labels)
    assert [kind.fault(value, ready.labels) for value in ready.gold] == [None] * len(ready)
    assert task.prepare(rows, what="train").fingerprint == ready.fingerprint
    assert ready.select([2, 0]).fingerprint != ready.fingerprint
    assert ready.select([2, 0]).gold == (ready.gold[2], ready.gold[0])
    assert list(ready.inputs) == task.inputs([dict(row.values) for row in rows])
    assert isinstance(task.findings(ready), list)


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(tasks.get(name), "outputs")])
def test_what_it_asks_of_a_head_leads_back_to_its_answers(name: str) -> None:
    task, made_tokenizer = made(name), tokenizer("bert")
    ready = task.prepare(given(name), what="train")
    readings = task.read(made_tokenizer, ready.inputs, 32)
    targets, outputs = task.targets(readings, ready), len(task.outputs(ready.labels))
    asked_at = [outputs] * len(readings) if task.target == "place" else readings.sizes
    assert [len(row) for row in targets] == asked_at
    assert (readings.places is not None) == task.tokens
    right = {
        "one": lambda row, size: np.eye(outputs)[row] * 20,
        "many": lambda row, size: row * 40 - 20,
        "number": lambda row, size: row,
        "place": lambda row, size: np.eye(size)[row].T * 20,
    }[task.target]
    scores = [right(row, size) for row, size in zip(targets, readings.sizes, strict=True)]
    answers, kind = task.decode(scores, readings, ready.inputs, ready.labels), kind_of(task.answers)
    assert [kind.right(gold, value) for gold, value in zip(ready.gold, answers.values, strict=True)] == [True] * len(
        ready
    )
    if task.target != "number":
        assert answers.confidence is not None
        assert (answers.confidence > 0.99).all()
    for i, value in enumerate(answers.values):
        assert task.cells(value, answers.detail[i] if answers.detail else {})


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(tasks.get(name), "ask")])
def test_what_it_would_write_is_heard_as_its_answer(name: str) -> None:
    task = made(name)
    ready = task.prepare(given(name), what="train")
    for value, gold in zip(ready.inputs, ready.gold, strict=True):
        assert task.ask(value).text
        heard = task.hear(f" {task.written(gold, value)}\n", ready.labels, value)
        assert kind_of(task.answers).right(gold, heard)
    assert task.hear(None, ready.labels, ready.inputs[0]) is None
    assert set(task.choices(ready.labels)) in (set(), set(ready.labels))


@pytest.mark.parametrize("name", NAMES)
def test_missing_columns_and_no_rows_are_named(name: str) -> None:
    rows = given(name)
    for column in rows.columns:
        without = Rows(rows.rows, tuple(c for c in rows.columns if c != column))
        with pytest.raises(UsageError, match="the train rows have n"):
            made(name).prepare(without, what="train")
    with pytest.raises(TailorError, match="there are no train rows"):
        made(name).prepare(Rows((), rows.columns), what="train")
