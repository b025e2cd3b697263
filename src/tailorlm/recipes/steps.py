"""The steps of a recipe: which columns each reads, which rows come to it, and what cannot be.

A step sees the columns of the row, the texts that it makes of them, and under their names the answers of the steps before it. Steps run in the
order in which they stand: one that a route names on the rows sent there, every other on all. The last step that a row came to answers it.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from string import Formatter
from typing import Any

from tailorlm.core.errors import UsageError, near_misses
from tailorlm.data.rows import Rows, as_text

# Answers that are places in a text: the step that gives them has to read the text that the whole task means.
PLACES = ("quote", "spans")


# ---- what a step is made of


def task_of(step: Any) -> Any:
    """The task of a step; rows are named by the whole recipe, so it names none itself."""
    part = step.recipe.task
    return replace(part, settings=part.settings.with_(id=None)).make()


def kind_of(part: Any) -> str:
    """The kind of answers that a task (a part of a recipe) asks for."""
    return str(part.registry.get(part.name).answers)


def fields(template: str) -> tuple[str, ...]:
    """The columns that a text is made of: 'Question: {question}' -> ('question',). ValueError for braces that name none."""
    try:
        found = [(name, spec, how) for _, name, spec, how in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"the text {template!r} cannot be read ({error}): write {{{{ for a brace") from None
    if any(not name or spec or how for name, spec, how in found):
        raise ValueError(f"the text {template!r} has braces without a column's name: write {{{{ for a brace")
    return tuple(dict.fromkeys(name for name, _, _ in found))


def filled(template: str, columns: Mapping[str, Any]) -> str:
    """A text with the values of columns put into it; nothing where a row has none."""
    return "".join(
        said + ("" if name is None else _word(columns.get(name))) for said, name, _, _ in Formatter().parse(template)
    )


def _word(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else as_text(value)


def reads(step: Any) -> tuple[str, ...]:
    """The columns that a step reads: those of its task, or what it makes them of."""
    found: list[str] = []
    for column in getattr(task_of(step), "text_columns", ()):
        found += fields(step.texts[column]) if column in step.texts else [column]
    return tuple(dict.fromkeys(found))


def row_columns(recipe: Any) -> tuple[str, ...]:
    """The columns that the rows themselves have to have: all that steps read and no step makes."""
    made = {step.name for step in recipe.steps}
    return tuple(dict.fromkeys(name for step in recipe.steps for name in reads(step) if name not in made))


def aims(step: Any) -> tuple[str, ...]:
    """The names of the steps that a step may send rows to."""
    return tuple(dict.fromkeys(filter(None, (*step.routes.values(), step.otherwise))))


def needs_answers(recipe: Any) -> bool:
    """Whether a step's recipe learns from right answers, or shows some."""
    if recipe.stages:
        return True
    context = recipe.context
    if context is None or context.name == "instruction":
        return False
    return context.name != "prompt" or context.settings.examples is not None or context.settings.optimise > 0


# ---- what cannot be


def check_steps(recipe: Any, passing: Container[str] = ()) -> None:
    """ValueError for steps that cannot run one after the other.

    passing: names of steps that give answers which none of their routes names, and that say nothing of the others.
    """
    names = [step.name for step in recipe.steps]
    for place, step in enumerate(recipe.steps):
        if step.name in names[:place]:
            raise ValueError(f"two steps are called '{step.name}'")
        _check_alone(recipe, step)
        for aim in aims(step):
            if aim not in names:
                near = near_misses(aim, names)
                said = f"did you mean '{near[0]}'?" if near else f"the steps are: {', '.join(names)}"
                raise ValueError(f"the step '{step.name}' sends rows to '{aim}', and there is no such step; {said}")
            if aim in names[: place + 1]:
                raise ValueError(
                    f"the step '{step.name}' sends rows to '{aim}', which {'it is itself' if aim == step.name else 'stands before it'}: "
                    "steps run once, in order, and cannot go in a circle"
                )
    _check_answers_seen(recipe)
    for way in journeys(recipe.steps, passing):
        _check_journey(recipe, names, way)


def _check_alone(recipe: Any, step: Any) -> None:
    """A step by itself: its task, its texts and whether it can route."""
    part, settings = step.recipe.task, step.recipe.task.settings
    if step.recipe.steps:
        raise ValueError(f"the step '{step.name}' has steps of its own: name them all in one list")
    if not hasattr(part.registry.get(part.name), "text_columns"):
        raise ValueError(f"the step '{step.name}' has the task '{part.name}', which cannot be one of several steps")
    if part.name == "generate" and settings.prompt is None:
        raise ValueError(
            f"the step '{step.name}' does not say which column asks: task: {{part: generate, prompt: COLUMN, answer: COLUMN}}"
        )
    if part.name == "generate" and settings.answer is None and needs_answers(step.recipe):
        raise ValueError(
            f"the step '{step.name}' does not say which column answers: task: {{part: generate, prompt: {settings.prompt}, answer: COLUMN}}"
        )
    columns = task_of(step).text_columns
    unread = sorted(set(step.texts) - set(columns))
    if unread:
        raise ValueError(
            f"the step '{step.name}' makes the text '{unread[0]}', which its task does not read (it reads {', '.join(columns)})"
        )
    reads(step)
    if aims(step) and kind_of(part) != "label":
        raise ValueError(f"the step '{step.name}' routes, and its task '{part.name}' has no labels: task: classify")
    if recipe.task.name == "language":
        raise ValueError("plain text has no answers, so there is nothing to take apart into steps")
    if recipe.task.name == "retrieve":
        raise ValueError(
            "a search is answered in one go: fit it by itself, and name its folder as the encoder of a step"
        )


def _check_answers_seen(recipe: Any) -> None:
    """No step may read a column that holds what another is to answer."""
    names = {step.name for step in recipe.steps}
    gold = {(task_of(step).answer_columns or ("",))[0]: step.name for step in recipe.steps}
    whole = getattr(recipe.task.make(), "answer_columns", ())
    gold |= {whole[0]: "(the whole task)"} if whole else {}
    for step in recipe.steps:
        seen = [column for column in reads(step) if column in gold and column not in names]
        if seen:
            raise ValueError(
                f"the step '{step.name}' reads the column '{seen[0]}', which holds the right answers of '{gold[seen[0]]}': "
                "rows to answer do not have it; read the answers of a step by its name"
            )


def journeys(steps: Sequence[Any], passing: Container[str] = ()) -> list[tuple[Any, ...]]:
    """Every way that a row may take: the steps that it comes to, in order. passing: as `check_steps` takes it."""
    aimed = {name for step in steps for name in aims(step)}
    ways: list[tuple[tuple[Any, ...], frozenset[str]]] = [((), frozenset())]
    for step in steps:
        grown: list[tuple[tuple[Any, ...], frozenset[str]]] = []
        for passed, sent in ways:
            if step.name in aimed and step.name not in sent:
                grown.append((passed, sent))
                continue
            open_end = not aims(step) or (step.name in passing and step.otherwise is None)
            targets = [frozenset({aim}) for aim in aims(step)] + ([frozenset[str]()] if open_end else [])
            grown += [((*passed, step), sent | target) for target in targets]
        ways = [way for i, way in enumerate(grown) if way not in grown[:i]]
    return [passed for passed, _ in ways]


def _check_journey(recipe: Any, names: Sequence[str], way: Sequence[Any]) -> None:
    made: list[str] = []
    for step in way:
        for column in reads(step):
            if column in names and column not in made:
                raise ValueError(f"the step '{step.name}' reads '{column}', {_why_not_made(step.name, column, names)}")
        made.append(step.name)
    whole, last = recipe.task, way[-1].recipe.task
    if kind_of(last) != kind_of(whole):
        raise ValueError(
            f"rows that end at the step '{way[-1].name}' get answers of the task '{last.name}', where '{whole.name}' is asked: "
            f"the last step that a row comes to answers it{_pass_on(way[-1])}"
        )
    if kind_of(whole) in PLACES:
        asked, given = whole.make().text_columns, task_of(way[-1]).text_columns
        if asked[-1] != given[-1] or given[-1] in way[-1].texts:
            raise ValueError(
                f"the step '{way[-1].name}' gives places in '{given[-1]}', where places in '{asked[-1]}' are asked"
            )


def _why_not_made(name: str, column: str, names: Sequence[str]) -> str:
    if column == name:
        return "which is its own answer"
    if names.index(column) > names.index(name):
        return "which is answered only after it: put that step before it"
    return "and some rows come there without an answer of that step: send them to a step that does not read it"


def _pass_on(step: Any) -> str:
    """What to do where labels of a step have no route."""
    return "; name a route for each of its labels, or say otherwise: STEP" if aims(step) else ""


def check_columns(recipe: Any, rows: Rows, what: str) -> None:
    """UsageError where the rows lack a column that a step reads, or one that a step would have to learn from."""
    for step in recipe.steps:
        names = {other.name for other in recipe.steps}
        wanted = [(name, "reads") for name in reads(step) if name not in names]
        if what != "test" and needs_answers(step.recipe):
            wanted += [(name, "learns from") for name in task_of(step).answer_columns[:1]]
        for name, verb in wanted:
            if name not in rows.columns:
                near = near_misses(name, [*rows.columns, *names])
                raise UsageError(
                    f"the step '{step.name}' {verb} the column '{name}', which no step before it makes and the {what} rows do not have",
                    got=f"columns: {', '.join(rows.columns) or '(none)'}; steps: {', '.join(names)}",
                    hint=f"is it '{near[0]}'?" if near else None,
                )
