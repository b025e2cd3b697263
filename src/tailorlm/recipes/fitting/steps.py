"""Fitting a recipe in steps: each on columns of the rows, and on what the steps before it say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tailorlm.core.errors import UsageError, near_misses
from tailorlm.data.audit.crossfit import folds_of
from tailorlm.data.rows import Row
from tailorlm.evaluation.metrics import fits, metric_of
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.stepping import StepsAnswering, answered
from tailorlm.recipes.course import Course, as_column, examples_of, examples_without_answers, given, naming
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.schema import Recipe, Step
from tailorlm.recipes.steps import aims, check_steps, journeys, needs_answers, reads, task_of
from tailorlm.tasks.base import Examples
from tailorlm.training.job import Listener


@dataclass(frozen=True)
class Fits:
    """How a step is fitted. first: by its lesson; None where nobody asks for its answers. again: a recipe on other rows, nothing chosen."""

    first: Callable[[Lesson], Fitted | None]
    again: Callable[[Recipe, Examples], Fitted]


@dataclass(frozen=True)
class Lesson:
    """What one step is fitted on. place: which of the steps; validation: None where no such row came to it. asked: whether its answers are
    needed by steps behind it. answers: whether it is a last step of some rows. told: facts for the record."""

    place: int
    recipe: Recipe
    rows: Examples
    validation: Examples | None
    asked: bool
    answers: bool
    told: dict[str, Any] = field(default_factory=dict)


def fit_steps(
    recipe: Recipe, rows: Examples, validation: Examples | None, *, seed: int, fit: Fits, listen: Listener
) -> Fitted:
    """Fit every step and put them together. The arguments are those of `walk`."""
    fitted, told = walk(recipe, rows, validation, seed=seed, fit=fit, listen=listen)
    every = [one for one in fitted if one is not None]
    whole = recipe.with_steps([one.adaptation.recipe for one in every])
    answering = StepsAnswering(whole, [one.adaptation for one in every], rows.labels)
    trained = [record for one in every for record in one.trained]
    return Fitted(
        Adaptation(whole, answering, None), trained, sum(one.trainable for one in every), None, steps=tuple(told)
    )


def walk(
    recipe: Recipe, rows: Examples, validation: Examples | None, *, seed: int, fit: Fits, listen: Listener
) -> tuple[list[Fitted | None], list[dict[str, Any]]]:
    """Take rows through the steps, fitting each on those that come to it. Returns what was fitted, and what is told of each step.

    rows, validation: of the whole task, with all their columns. A step learns from right answers in the column that its task names; the steps
    behind it learn from what `passes_on` says, while validation rows always go on with real answers, as rows do in use. Raises TailorError,
    with the step's name, for what it cannot learn from.
    """
    taken = _Walk(recipe, given(recipe, rows), None if validation is None else given(recipe, validation), seed, fit)
    return taken.through(listen)


class _Walk:
    def __init__(self, recipe: Recipe, rows: Examples, held: Examples | None, seed: int, fit: Fits):
        self.recipe, self.rows, self.held, self.seed, self.fit = recipe, rows, held, seed, fit
        self.course = Course(recipe.steps, rows.inputs)
        self.held_course = Course(recipe.steps, held.inputs if held is not None else ())

    def through(self, listen: Listener) -> tuple[list[Fitted | None], list[dict[str, Any]]]:
        """Every step in order."""
        made, told = [], []
        for place, (step, recipe) in enumerate(zip(self.recipe.steps, self.recipe.step_recipes(), strict=True)):
            with naming(step):
                lesson, index, kept = self._lesson(place, step, recipe)
                self._check_routes(step, lesson.rows.labels)
                listen({"event": "part", "name": step.name, "rows": len(lesson.rows)})
                fitted = self.fit.first(lesson)
                if lesson.asked:
                    assert fitted is not None
                    lesson.told["passed_on"] = self._pass_on(step, fitted, lesson, index, kept)
            made.append(fitted)
            told.append(lesson.told)
        return made, told

    def _lesson(self, place: int, step: Step, recipe: Recipe) -> tuple[Lesson, list[int], list[int]]:
        """What the step learns from; the train rows that came to it, and which of them have a right answer."""
        index, held = self.course.reaching(step), self.held_course.reaching(step)
        if not index:
            raise UsageError(
                f"no train row comes to the step '{step.name}'",
                hint="look at the routes that lead there, and their labels",
            )
        rows = [self.rows.rows[i] for i in index] + [self.held.rows[i] for i in held if self.held is not None]
        columns = [self.course.columns(step, i) for i in index] + [self.held_course.columns(step, i) for i in held]
        names = [self.rows.ids[i] for i in index] + [self.held.ids[i] for i in held if self.held is not None]
        examples, kept, known = self._examples(step, rows, columns)
        examples = replace(examples, ids=tuple(names[i] for i in kept), held_out=self.rows.held_out)
        learnt = [j for j, i in enumerate(kept) if i < len(index)]
        chosen = [j for j, i in enumerate(kept) if i >= len(index)]
        right = [index[kept[j]] for j in learnt] if known else []
        asked = any(step.name in reads(other) for other in self.recipe.steps) or bool(aims(step))
        ends = any(way[-1] == step for way in journeys(self.recipe.steps))
        told = {"name": step.name, "learns": needs_answers(recipe), "rows": len(index), "with_answer": len(right)}
        validation = examples.select(chosen) if chosen and known else None
        return Lesson(place, recipe, examples.select(learnt), validation, asked, ends, told), index, right

    def _examples(
        self, step: Step, rows: Sequence[Row], columns: Sequence[Mapping[str, Any]]
    ) -> tuple[Examples, list[int], bool]:
        """The rows as the step takes them, which of them they are, and whether right answers are known."""
        found = examples_of(step, rows, columns)
        if found is not None:
            return *found, True
        if needs_answers(step.recipe):
            wanted = task_of(step).answer_columns
            raise UsageError(
                f"the step '{step.name}' learns, and no row has an answer to learn from",
                got=f"nothing in the column '{wanted[0]}'" if wanted else "no column of answers is named",
                hint="name the column in its task, or let a context without examples answer",
            )
        return examples_without_answers(step, rows, columns), list(range(len(rows))), False

    def _check_routes(self, step: Step, labels: Sequence[str]) -> None:
        """UsageError for routes of labels that there are not, and for labels that lead to no answer."""
        for label in step.routes:
            if label not in labels:
                near = near_misses(label, labels)
                raise UsageError(
                    f"the step '{step.name}' has a route for the label '{label}', which no train row has",
                    allowed=", ".join(labels),
                    hint=f"did you mean '{near[0]}'?" if near else None,
                )
        if aims(step) and set(labels) - set(step.routes):
            try:
                check_steps(self.recipe, {step.name})
            except ValueError as error:
                free = ", ".join(sorted(set(labels) - set(step.routes)))
                raise UsageError(str(error), got=f"labels without a route: {free}") from None

    # ---- what the steps behind it learn from

    def _pass_on(
        self, step: Step, fitted: Fitted, lesson: Lesson, index: list[int], right: list[int]
    ) -> dict[str, int]:
        """Take train and validation rows past the step; how many train rows go on with what."""
        part, counts = fitted.adaptation, {"gold": 0, "out_of_fold": 0, "answers": 0}
        held = self.held_course.reaching(step)
        if held:
            assert self.held is not None
            answered(step, part, self.held_course, held, self.held.ids)
        rest = list(index)
        if right and step.passes_on == "gold":
            self._with_gold(step, lesson.rows, right)
            counts["gold"] = len(right)
            rest = [i for i in index if i not in set(right)]
        elif right and step.passes_on == "out_of_fold" and _learns_rows(part.recipe):
            self._out_of_fold(step, part, lesson.rows, right)
            counts["out_of_fold"] = len(right)
            rest = [i for i in index if i not in set(right)]
        if rest:
            answered(step, part, self.course, rest, self.rows.ids)
            counts["answers"] = len(rest)
        return {name: count for name, count in counts.items() if count}

    def _with_gold(self, step: Step, examples: Examples, right: Sequence[int]) -> None:
        task = task_of(step)
        for i, gold, one in zip(right, examples.gold, examples.inputs, strict=True):
            label = gold if isinstance(gold, str) and task.answers == "label" else None
            self.course.move(step, i, label, as_column(task, gold, one, gold=True))

    def _out_of_fold(self, step: Step, part: Adaptation, examples: Examples, right: Sequence[int]) -> None:
        place = {label: code for code, label in enumerate(sorted(set(examples.strata)))}
        codes = np.array([place[one] for one in examples.strata], dtype=np.int64)
        folds = folds_of(examples.groups, codes, step.folds, self.seed)
        for fold in range(step.folds):
            out = np.flatnonzero(folds == fold).tolist()
            if not out:
                continue
            seen = np.flatnonzero(folds != fold).tolist()
            other = self.fit.again(part.recipe, examples.select(seen)).adaptation
            answered(step, other, self.course, [right[j] for j in out], self.rows.ids)


def metric_for(lesson: Lesson, metric: str | None) -> str:
    """What scores a step's validation rows: the metric of the whole where it is the last step and answers alike, else its task's own first."""
    task = lesson.recipe.task.make()
    return metric if metric and lesson.answers and fits(metric_of(metric), task.answers) else str(task.metrics[0])


def _learns_rows(recipe: Recipe) -> bool:
    """Whether a fit knows its own rows afterwards; a model that writes never shows a row to itself."""
    return bool(recipe.stages) or (
        recipe.context is not None and recipe.context.name == "examples" and not recipe.written
    )
