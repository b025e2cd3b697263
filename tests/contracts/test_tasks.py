"""The contract of tasks: columns are checked, rows become texts with labels in their order, metrics are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.evaluation.metrics import metrics
from tailorlm.tasks import tasks
from tiny import labelled

NAMES = list(tasks)


def test_the_suite_found_every_task() -> None:
    assert NAMES == ["classify"]


def made(name: str, **settings: Any) -> Any:
    part = tasks.get(name)
    return part(part.Settings(**settings))


def given(count: int = 6) -> Rows:
    rows = labelled(count, 3)
    values = [{"text": text, "label": label} for text, label in zip(rows.texts, rows.gold, strict=True)]
    return Rows(tuple(Row(value, "rows.csv", i) for i, value in enumerate(values, 2)), ("text", "label"))


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_registered(name: str) -> None:
    assert tasks.get(name).metrics
    assert set(tasks.get(name).metrics) <= set(metrics)


@pytest.mark.parametrize("name", NAMES)
def test_rows_become_texts_in_their_order(name: str) -> None:
    rows = given()
    task = made(name)
    task.columns(rows, what="train")
    assert task.faults(rows) == {}
    ready = task.prepare(rows, what="train")
    assert len(ready) == len(rows)
    assert ready.texts == tuple(rows.column("text"))
    assert ready.ids == tuple(row.where for row in rows)
    assert ready.labels == tuple(sorted(set(rows.column("label"))))
    assert [ready.labels[code] for code in ready.codes] == rows.column("label")
    assert ready.codes.dtype == np.int64
    assert task.prepare(rows, what="train").fingerprint == ready.fingerprint
    assert len(task.label_texts(ready.labels)) == len(ready.labels)


@pytest.mark.parametrize("name", NAMES)
def test_missing_columns_and_no_rows_are_named(name: str) -> None:
    rows = given()
    for column in ("text", "label"):
        without = Rows(rows.rows, tuple(c for c in rows.columns if c != column))
        with pytest.raises(UsageError, match=f"the train rows have no column '{column}'"):
            made(name).prepare(without, what="train")
    with pytest.raises(TailorError, match="there are no train rows"):
        made(name).prepare(Rows((), rows.columns), what="train")
