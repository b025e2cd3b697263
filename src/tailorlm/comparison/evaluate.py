"""Scoring a kept adaptation on new labelled rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailorlm.comparison.evidence import counted
from tailorlm.comparison.groups import slice_tables
from tailorlm.comparison.split import sliced
from tailorlm.comparison.stepwise import scores_of_steps
from tailorlm.core.errors import UsageError
from tailorlm.core.machine import environment
from tailorlm.core.runs import Run, RunWriter, read_run
from tailorlm.data import Rows
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.stepping import StepsAnswering
from tailorlm.recipes.course import given
from tailorlm.recipes.steps import check_columns
from tailorlm.tasks.base import Examples


@dataclass
class Evaluated:
    """Scores of an adaptation on rows: metric name to value, interval and version; tables by kind of answer; the run that keeps them.

    `tables` has `groups` where columns to slice by were named: the score on the rows of each value.
    """

    run: Run
    rows: int
    scores: dict[str, Any]
    tables: dict[str, Any]


def evaluate_adaptation(
    model: Adaptation,
    rows: Rows,
    *,
    text: str | None,
    label: str | None,
    root: Path,
    slices: Sequence[str] = (),
    other: str | None = None,
) -> Evaluated:
    """Predict labelled rows and score the predictions; the run folder keeps every prediction.

    text, label: columns, where they are not those of the fit. slices: columns by whose values the first metric is told. other: the name of
    another task that the adaptation has learnt and is scored in. Raises TailorError for unusable rows or labels it never learnt.
    """
    asked = model if other is None else model.other(other)
    task = _task(model.recipe.task if isinstance(asked, Adaptation) else asked.part, text=text, label=label)
    gather = getattr(task, "gather", None)  # a task may put rows together that ask the same
    rows = rows if gather is None else gather(rows, what="given")
    columns = sliced(rows, slices, "given")
    labels = asked.answering.labels
    examples = task.prepare(rows, what="given", labels=labels)
    answering = asked.over(examples.pool) if isinstance(asked, Adaptation) else asked.answering
    if isinstance(answering, StepsAnswering):
        check_columns(model.recipe, rows, "test")
        examples = given(model.recipe, replace(examples, rows=rows.rows))
    answers = answering.answer(examples.inputs)
    steps = scores_of_steps(answering, examples, answers) if isinstance(answering, StepsAnswering) else []
    predictions = predictions_of(task, examples, answers, labels)
    table = score_table(task.metrics, [predictions])
    run = _kept(
        root, model, examples, predictions, table, {"answered": counted(answers), "steps": steps or None}, other
    )
    tables = kind_of(task.answers).tables(predictions)
    if columns:
        name, metric = model.recipe.name, task.metrics[0]
        tables |= {"groups": slice_tables(columns, {name: predictions}, name, metric, table[metric]["level"])}
    return Evaluated(run, len(examples), table, tables)


def _task(part: Any, **columns: str | None) -> Any:
    """The task, its columns named anew where they are."""
    named = {key: value for key, value in columns.items() if value}
    unknown = sorted(set(named) - set(type(part.settings).model_fields))
    if unknown:
        raise UsageError(f"the task '{part.name}' has no column called '{unknown[0]}'")
    return replace(part, settings=part.settings.with_(**named) if named else part.settings).make()


def _kept(
    root: Path,
    model: Adaptation,
    examples: Examples,
    predictions: Predictions,
    table: dict[str, Any],
    facts: dict[str, Any],
    other: str | None,
) -> Run:
    """The run of these predictions, written unless it is there."""
    of = [model.recipe.key, examples.fingerprint, predictions.predicted, *([other] if other else [])]
    run_id = f"eval-{model.recipe.name}-{hashlib.sha256(json.dumps(of).encode()).hexdigest()[:12]}"
    run = read_run(root / run_id)
    if run is not None:
        return run
    told = {name: environment()[name] for name in ("commit", "tailorlm")}
    shared = {"data": examples.fingerprint, "seed": None} | told
    record = {
        "kind": "eval",
        "name": model.recipe.name,
        "method": model.recipe.method,
        "task": other or model.recipe.task.name,
        "data": {"test": {"rows": len(examples), "fingerprint": examples.fingerprint}},
        "environment": environment(),
    }
    with RunWriter(root, run_id) as writer:
        predictions.to_jsonl(writer.folder / "predictions.jsonl")
        writer.write_json("scores.json", {name: value | shared for name, value in table.items()})
        writer.write_recipe(model.recipe.plain())
        return writer.publish(record | facts)
