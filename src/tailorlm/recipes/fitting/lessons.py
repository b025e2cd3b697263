"""From an objective to the lesson that the loop is given, where a head answers: one function for each thing that is learnt from.

A new kind of objective (`learns_from`) brings one function and one line in `MADE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.data.read import read
from tailorlm.models.encoder import TextModel
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.fitting.others import Other
from tailorlm.recipes.fitting.teaching import Teacher
from tailorlm.tasks.base import Examples, HeadTask
from tailorlm.tasks.readings import Readings
from tailorlm.training.beside import Beside
from tailorlm.training.domains import DomainLesson
from tailorlm.training.job import Order
from tailorlm.training.lesson import LabelLesson, Lesson, Source
from tailorlm.training.mixture import Draws, Mixture
from tailorlm.training.order import SeededOrder
from tailorlm.training.pairs import PairLesson
from tailorlm.training.plain_text import text_lesson
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import HeadedSource, TokenSource
from tailorlm.training.taught import TaughtLesson, VectorsTaughtLesson


@dataclass(frozen=True)
class Ground:
    """What a lesson can be made of in a stage.

    names: of the parameters that learn, the head's included. steps: of the stage. source: scores of the train rows by the cheapest way there
    is, given those names. shared: what other models gave for rows, kept for all fits. others: the other tasks that the stage learns.
    """

    model: TextModel
    task: HeadTask
    rows: Examples
    readings: Readings
    targets: Sequence[np.ndarray]
    names: Sequence[str]
    seed: int
    steps: TrainSettings
    source: Callable[[Sequence[str]], Source]
    shared: EmbeddingView
    others: Sequence[Other]

    @property
    def body(self) -> list[str]:
        """Names of what learns below the head."""
        heads = set(self.model.head_parameters())
        return [name for name in self.names if name not in heads]


@dataclass(frozen=True)
class Made:
    """A lesson, the names in its module that learn, and the names of its rows.

    order: where steps are not made of `rows_per_step` rows of the lesson each once a pass: its rows are draws of several, or come as
    often as shares say. begins: the pass (0 is the first) in which a parameter begins to learn, where it is a later one.
    """

    lesson: Lesson
    names: Sequence[str]
    ids: Sequence[str]
    order: Order | None = None
    begins: Mapping[str, int] = field(default_factory=dict)


def of_labels(ground: Ground, objective: Any) -> Made:
    """The task's right answers."""
    objective.weigh(ground.task.outputs(ground.rows.labels), np.concatenate(ground.targets), ground.task.target)
    lesson = LabelLesson(ground.source(ground.names), objective, ground.targets, ground.task.target)
    return Made(lesson, ground.names, [ground.rows.ids[row] for row in ground.readings.rows])


def of_text(ground: Ground, objective: Any) -> Made:
    """Plain text, of which the task's head learns nothing."""
    if not ground.body:
        raise TailorError("text moves the body, and here the head alone learns", hint="weights: full, lora or adapter")
    named, texts = objective.texts(ground.rows.ids, ground.rows.texts)
    ground.rows.refuse_test_texts(named, texts)
    lesson, made = text_lesson(objective, ground.model, named, texts, ground.seed, ground.steps.rows_per_step)
    passes = getattr(objective.settings, "warm_up", 0) if made else 0
    begins = dict.fromkeys(ground.body, passes) if passes else {}
    order = getattr(lesson, "order", None)  # where texts are told from each other, a step is one bundle of them
    return Made(lesson, [*ground.body, *made], lesson.names, order, begins)


def of_pairs(ground: Ground, objective: Any) -> Made:
    """Pairs of rows, of which no head learns."""
    if ground.task.tokens or ground.task.target != "one":
        raise TailorError(
            "pairs are drawn from rows with one label each, and this task's have other answers",
            hint="objective: labels",
        )
    if not ground.body:
        raise TailorError("pairs move the body, and here the head alone learns", hint="weights: full, lora or adapter")
    lesson = PairLesson(ground.model, ground.readings, np.concatenate(ground.targets), objective, ground.seed)
    return Made(lesson, ground.body, lesson.names(ground.rows.ids))


def of_domains(ground: Ground, objective: Any) -> Made:
    """Right answers of one domain, and texts of another whose vectors are drawn near."""
    model, task = ground.model, ground.task
    if model.pooling == "native" or task.tokens or task.target == "place":
        raise TailorError(
            "a distance between domains is one of pooled vectors, which this model or task does not answer from",
            got=f"pooling: {model.pooling}",
            hint="--pooling mean, with a task of one answer a text",
        )
    if not ground.body:
        raise TailorError(
            "the body moves the domains together, and here the head alone learns", hint="weights: full, lora or adapter"
        )
    named, texts = objective.texts()
    ground.rows.refuse_test_texts(named, texts)
    length = min(objective.settings.max_length, model.max_length)
    other = Readings([ids[:length] for ids in model.tokenize(texts)])
    lesson = DomainLesson(
        model,
        ground.readings,
        ground.targets,
        other,
        objective,
        kind=task.target,
        rows=ground.steps.rows_per_step,
        seed=ground.seed,
    )
    order = SeededOrder(lesson.lengths, 1, ground.seed)
    return Made(lesson, [*ground.names, *lesson.made], lesson.names, order)


def of_teacher(ground: Ground, objective: Any) -> Made:
    """What a teacher answers to the train rows, and to more rows where a file of them is named."""
    model, settings = ground.model, objective.settings
    task: Any = ground.task
    if task.tokens or task.target not in ("one", "many", "number"):
        raise TailorError(
            "a teacher speaks of whole texts, and this task asks about places in them", hint="objective: labels"
        )
    if settings.hidden and model.pooling == "native":
        raise TailorError(
            "a teacher's vectors are compared with those that a head of ours reads, and this model brings its own head",
            hint="hidden: 0, or --pooling mean",
        )
    rows = read(settings.rows) if settings.rows else []
    more = task.inputs([dict(row.values) for row in rows])
    ground.rows.refuse_test_texts([row.where for row in rows], [task.shown(value) for value in more])
    inputs = [*ground.rows.inputs, *more]
    teacher = Teacher(settings.teacher, task.outputs(ground.rows.labels), ground.shared)
    taught = teacher.scores(inputs)
    if task.target == "number":
        taught = task.on_scale(taught)
    ids = [*ground.rows.ids, *(f"{settings.rows} ({i + 1})" for i in range(len(more)))]
    readings = task.read(model.tokenizer, inputs, model.max_length) if more else ground.readings
    source = ground.source(ground.names) if not more and not settings.hidden else TokenSource(model, readings)
    if not settings.hidden:
        return Made(TaughtLesson(source, objective, ground.targets, taught, task.target), ground.names, ids)
    lesson = VectorsTaughtLesson(
        source,
        objective,
        ground.targets,
        taught,
        teacher.vectors(inputs),
        student=(model, readings),
        target=task.target,
    )
    return Made(lesson, [*ground.names, *lesson.made], ids)


def of_tasks(ground: Ground, objective: Any) -> Made:
    """Right answers of the own task and of others, mixed, each through its own head."""
    own = LabelLesson(
        TokenSource(ground.model, ground.readings), objective.labels(), ground.targets, ground.task.target
    )
    lesson, made = _headed(ground, objective, [own])
    sizes = [len(one.lengths) for one in lesson.lessons]
    steps, draws = ground.steps, objective.draws(sizes)
    order = Draws(lesson.lengths, sizes, draws, steps.rows_per_step, ground.seed, steps.tokens_per_step)
    ids = [ground.rows.ids[row] for row in ground.readings.rows]
    return Made(lesson, [*ground.names, *made], [*ids, *_other_ids(ground)], order)


def of_task(ground: Ground, objective: Any) -> Made:
    """Right answers of another task alone, of which the own head learns nothing."""
    lesson, made = _headed(ground, objective, [])
    return Made(lesson, [*ground.body, *made], _other_ids(ground))


def _headed(ground: Ground, objective: Any, own: Sequence[Lesson]) -> tuple[Mixture, list[str]]:
    """The stage's other tasks behind the own lesson, and the names of their heads' parameters."""
    if not ground.body:
        raise TailorError(
            "tasks share what they learn in the body, and here the heads alone learn",
            hint="weights: full, lora or adapter; or a recipe for each task",
        )
    model = ground.model
    beside = Beside(model, {f"task_{one.name}": one.head for one in ground.others})
    lessons: list[Lesson] = [*own]
    for one, asked in zip(ground.others, objective.others, strict=True):
        source = HeadedSource(model, one.readings, one.head, learns=True)
        lessons.append(LabelLesson(source, asked.labels(), one.targets, one.task.target))
    return Mixture(lessons, module=beside), beside.made


def _other_ids(ground: Ground) -> list[str]:
    return [f"{one.name}: {one.rows.ids[row]}" for one in ground.others for row in one.readings.rows]


# By what an objective learns from (`learns_from`).
MADE: dict[str, Callable[[Ground, Any], Made]] = {
    "labels": of_labels,
    "text": of_text,
    "pairs": of_pairs,
    "domains": of_domains,
    "teacher": of_teacher,
    "tasks": of_tasks,
    "task": of_task,
}


def lesson_for(learns_from: str) -> Callable[[Ground, Any], Made]:
    """What makes the lesson of objectives that learn from this. TailorError where that is for models that write."""
    if learns_from not in MADE:
        raise TailorError(
            f"no head learns from {learns_from}", hint="answers: written, with a base that writes; or objective: labels"
        )
    return MADE[learns_from]
