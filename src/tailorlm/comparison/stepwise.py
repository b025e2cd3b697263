"""What each step of a recipe in steps did on the rows that came to it: with what it learnt, and its own scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.stepping import Reached, StepsAnswering
from tailorlm.recipes.course import examples_of
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.steps import task_of
from tailorlm.tasks.base import Answers, Examples


def step_records(fitted: Fitted, test: Examples | None, answers: Answers, level: float) -> list[dict[str, Any]] | None:
    """For every step its name, task and base, what it learnt from, and where test rows hold its right answers, its scores; None without steps."""
    answering = fitted.adaptation.answering
    if not isinstance(answering, StepsAnswering):
        return None
    told: Sequence[Mapping[str, Any]] = fitted.steps
    scored = scores_of_steps(answering, test, answers, level) if test is not None else [{} for _ in told]
    bases = [part.answering.model.base for part in answering.parts]
    about = [{"base": {"name": b.name, "origin": b.origin, "fingerprint": b.fingerprint}} for b in bases]
    return [{"learnt": dict(learnt), **one, **on} for learnt, one, on in zip(told, about, scored, strict=True)]


def scores_of_steps(
    answering: StepsAnswering, test: Examples, answers: Answers, level: float = 0.95
) -> list[dict[str, Any]]:
    """For every step the test rows that came to it (`rows`), those with a right answer (`scored`), and scores on these, by name."""
    return [
        {"name": reached.step.name, "task": reached.step.recipe.task.name, "rows": len(reached.index)}
        | _scores(reached, test, level)
        for reached in answering.reached(test.inputs, answers)
    ]


def _scores(reached: Reached, test: Examples, level: float) -> dict[str, Any]:
    task, own = task_of(reached.step), reached.part.answering
    rows = [test.rows[i] for i in reached.index] if test.rows else []
    found = examples_of(reached.step, rows, reached.columns, labels=own.labels) if rows else None
    if found is None:
        return {"scored": 0, "scores": {}}
    examples, kept = found
    examples = replace(examples, ids=tuple(test.ids[reached.index[j]] for j in kept))
    given = Answers([reached.values[j] for j in kept])
    predictions = predictions_of(task, examples, given, own.labels)
    names = [name for name in task.metrics if not getattr(metric_of(name), "reads_scores", False)]
    return {"scored": len(kept), "scores": score_table(tuple(names), [predictions], level=level)}
