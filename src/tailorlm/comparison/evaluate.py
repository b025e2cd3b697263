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
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.stepping import StepsAnswering
from tailorlm.recipes.course import given
from tailorlm.recipes.steps import check_columns


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
    model: Adaptation, rows: Rows, *, text: str | None, label: str | None, root: Path, slices: Sequence[str] = ()
) -> Evaluated:
    """Predict labelled rows and score the predictions; the run folder keeps every prediction.

    text, label: columns, where they are not those of the fit. slices: columns by whose values the first metric is told. Raises TailorError
    for unusable rows or labels it never learnt.
    """
    settings = model.recipe.task.settings
    named = {key: value for key, value in (("text", text), ("label", label)) if value}
    unknown = sorted(set(named) - set(type(settings).model_fields))
    if unknown:
        raise UsageError(f"the task '{model.recipe.task.name}' has no column called '{unknown[0]}'")
    task = replace(model.recipe.task, settings=settings.with_(**named) if named else settings).make()
    gather = getattr(task, "gather", None)  # a task may put rows together that ask the same
    rows = rows if gather is None else gather(rows, what="given")
    columns = sliced(rows, slices, "given")
    examples = task.prepare(rows, what="given", labels=model.labels)
    answering = model.over(examples.pool)
    if isinstance(answering, StepsAnswering):
        check_columns(model.recipe, rows, "test")
        examples = given(model.recipe, replace(examples, rows=rows.rows))
    answers = answering.answer(examples.inputs)
    steps = scores_of_steps(answering, examples, answers) if isinstance(answering, StepsAnswering) else []
    predictions = predictions_of(task, examples, answers, model.labels)
    table = score_table(task.metrics, [predictions])
    key = hashlib.sha256(
        json.dumps([model.recipe.key, examples.fingerprint, predictions.predicted]).encode()
    ).hexdigest()
    run_id = f"eval-{model.recipe.name}-{key[:12]}"
    run = read_run(root / run_id)
    if run is None:
        with RunWriter(root, run_id) as writer:
            predictions.to_jsonl(writer.folder / "predictions.jsonl")
            shared = {
                "data": examples.fingerprint,
                "seed": None,
                "commit": environment()["commit"],
                "tailorlm": environment()["tailorlm"],
            }
            writer.write_json("scores.json", {name: value | shared for name, value in table.items()})
            writer.write_recipe(model.recipe.plain())
            data = {"test": {"rows": len(examples), "fingerprint": examples.fingerprint}}
            run = writer.publish(
                {
                    "kind": "eval",
                    "name": model.recipe.name,
                    "method": model.recipe.method,
                    "data": data,
                    "answered": counted(answers),
                    "steps": steps or None,
                    "environment": environment(),
                }
            )
    tables = kind_of(task.answers).tables(predictions)
    if columns:
        name, metric = model.recipe.name, task.metrics[0]
        tables |= {"groups": slice_tables(columns, {name: predictions}, name, metric, table[metric]["level"])}
    return Evaluated(run, len(examples), table, tables)
