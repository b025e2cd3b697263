"""Rows on their way through the steps of a recipe, and what a step learns from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.recipes.steps import aims, filled, row_columns, task_of
from tailorlm.tasks.base import Examples
from tailorlm.tasks.columns import has_words


class Course:
    """Rows on their way through the steps: the columns that each has, where it is sent, and why it goes no further.

    rows: their own columns. The constructor stores; `reaching`, `columns` and `move` are called step by step, in order.
    """

    def __init__(self, steps: Sequence[Any], rows: Sequence[Mapping[str, Any]]):
        self.rows = rows
        self.aimed = {name for step in steps for name in aims(step)}
        self.names = {step.name for step in steps}
        self.made: list[dict[str, str]] = [{} for _ in rows]
        self.sent: list[set[str]] = [set() for _ in rows]
        self.silent: dict[int, str] = {}
        self.lost: dict[int, str] = {}

    def reaching(self, step: Any) -> list[int]:
        """The rows that come to a step, by index, and can be read there; others, and those without an answer of the step before, are lost."""
        came = [i for i in range(len(self.rows)) if i not in self.lost]
        came = [i for i in came if step.name not in self.aimed or step.name in self.sent[i]]
        task = task_of(step)
        for i in came:
            if i in self.silent:
                self.lost[i] = self.silent[i]
                continue
            try:
                task.inputs([self.columns(step, i)])
            except TailorError:
                self.lost[i] = f"nothing that the step '{step.name}' can read"
        return [i for i in came if i not in self.lost]

    def columns(self, step: Any, index: int) -> dict[str, Any]:
        """The columns that a step's task reads of a row."""
        seen = {name: value for name, value in self.rows[index].items() if name not in self.names}
        seen |= self.made[index]
        columns = task_of(step).text_columns
        return {name: filled(step.texts[name], seen) if name in step.texts else seen.get(name) for name in columns}

    def move(self, step: Any, index: int, label: str | None, text: str | None) -> None:
        """Take a row past a step. text: its answer, None where it gave none; label: the same where answers are labels."""
        aim = step.routes.get(label, step.otherwise) if label is not None else step.otherwise
        if aim is not None:
            self.sent[index].add(aim)
        if text is not None:
            self.made[index][step.name] = text
        elif aim is None:
            self.silent[index] = f"no answer of the step '{step.name}'"


def as_column(task: Any, value: Any, given: Any, *, gold: bool = False) -> str | None:
    """An answer as the text of a column, as a model that writes would write it; None where there is no answer.

    gold: whether it is a right answer, of which a row may have several where answers are quotes.
    """
    if value is None:
        return None
    if task.answers == "quote" and not gold:
        value = [value] if value["text"] else []
    return str(task.written(value, given))


def given(recipe: Any, examples: Examples) -> Examples:
    """The examples as a recipe takes them: for steps their inputs are the columns that steps read, for others they are as they are."""
    if not recipe.steps:
        return examples
    columns = row_columns(recipe)
    inputs = tuple({name: row.values.get(name) for name in columns} for row in examples.rows)
    return replace(examples, inputs=inputs)


def rows_key(recipe: Any, examples: Examples | None) -> str | None:
    """sha256 (hex) over all that a recipe takes of some rows: what it is asked, the right answers, and those of its steps."""
    if examples is None or not recipe.steps:
        return examples.fingerprint if examples is not None else None
    asked = given(recipe, examples)
    columns = dict.fromkeys(name for step in recipe.steps for name in task_of(step).answer_columns)
    right = [[row.values.get(name) for name in columns] for row in examples.rows]
    return hashlib.sha256(json.dumps([asked.fingerprint, right], default=str).encode()).hexdigest()


def examples_of(
    step: Any, rows: Sequence[Row], columns: Sequence[Mapping[str, Any]], *, labels: Sequence[str] | None = None
) -> tuple[Examples, list[int]] | None:
    """Rows of a step with their right answers, and which of `rows` they are: those with an answer that can be used.

    columns: what the step reads of each. labels: the label set to hold to. None where no row has the column of answers.
    """
    task, wanted = task_of(step), task_of(step).answer_columns
    if not wanted or not any(_says_something(row.values.get(wanted[0])) for row in rows):
        return None
    if labels is not None and "outside" in type(task.settings).model_fields:
        task = type(task)(task.settings.with_(outside="none"))
    made = [
        Row({**{name: row.values.get(name) for name in wanted if name in row.values}, **seen}, row.source, row.line)
        for row, seen in zip(rows, columns, strict=True)
    ]
    named = tuple(dict.fromkeys(name for row in made for name in row.values))
    whole = Rows(tuple(made), named)
    faults = task.faults(whole)
    kept = [i for i in range(len(made)) if i not in faults]
    if not kept:
        raise CheckError("no row can be used", got=f"{made[0].where}: {faults[0]}, and {len(made) - 1} more")
    return task.prepare(whole.select(kept), what="given", labels=labels), kept


def _says_something(value: Any) -> bool:
    """Whether a cell says anything: words, or a list, which may be empty (no span, no label)."""
    return isinstance(value, list | dict) or has_words(value)


def examples_without_answers(step: Any, rows: Sequence[Row], columns: Sequence[Mapping[str, Any]]) -> Examples:
    """Rows of a step that learns nothing, for which no right answers are known. UsageError where labels would have to be."""
    task = task_of(step)
    inputs = tuple(task.inputs(columns))
    labels = tuple(sorted(getattr(task.settings, "labels", ())))
    if task.answers in ("label", "labels", "spans") and not labels:
        raise UsageError(
            f"the step '{step.name}' has no labels",
            got=f"no column '{(task.answer_columns or ('',))[0]}', and no labels in its task",
            hint=f"task: {{part: {step.recipe.task.name}, labels: [...]}}",
        )
    texts = tuple(task.ask(value).text for value in inputs)
    empty: Any = {"text": "", "label": "", "number": 0.0}.get(task.answers, [])
    return Examples(
        tuple(row.where for row in rows), texts, (empty,) * len(rows), labels, inputs, strata=("",) * len(rows)
    )


@contextmanager
def naming(step: Any) -> Iterator[None]:
    """Faults inside the block say which step they are about."""
    try:
        yield
    except TailorError as error:
        said = type(error)
        named = f"the step '{step.name}'"
        if named in error.what or said not in (TailorError, UsageError, CheckError):
            raise
        raise said(f"{named}: {error.what}", got=error.got, allowed=error.allowed, hint=error.hint) from None
