"""Other tasks than the recipe's own: their rows, what is held out of them, their heads, and their scores after every stage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.core.parts import Part, settings_in
from tailorlm.data import read
from tailorlm.data.held_out import HeldOut
from tailorlm.data.quality import find_copies, normalised
from tailorlm.data.split import stratified
from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.objectives._other import OtherTask
from tailorlm.recipes.answering.head import HeadAnswering, predictions_of
from tailorlm.recipes.schema import Recipe, learns_text
from tailorlm.tasks import tasks
from tailorlm.tasks.base import Examples
from tailorlm.tasks.readings import Readings

# What is held out of a task's rows where no file of test rows is named: the same rows for all ways and seeds.
SHARE, MOST = 0.2, 500


def completed(recipe: Recipe) -> Recipe:
    """The recipe with every other task's name and task written out.

    UsageError for one without rows, or without a name that can be made of its file.
    """
    changes: dict[str, Any] = {}
    for at, other in _named(recipe):
        if not other.rows:
            raise UsageError(
                "another task has no rows to learn from",
                got=at,
                hint="rows: FILE beside its name, e.g. {name: topics, rows: topics.csv, task: {part: classify, label: topic}}",
            )
        if not other.called:
            raise UsageError("no name can be made of this file's", got=other.rows, hint="name: topics, beside its rows")
        changes[f"{at}.name"] = other.called
        changes[f"{at}.task"] = (other.task or recipe.task).plain()
    return recipe.changed(changes) if changes else recipe


def _named(recipe: Recipe) -> Iterator[tuple[str, OtherTask]]:
    return ((at, one) for at, one in settings_in(recipe) if isinstance(one, OtherTask))


@dataclass
class Other:
    """One other task of a fit.

    rows: to learn from; test: held out. dropped: rows left out because they stand among test rows, the recipe's own or these. head,
    readings, targets: where a head answers it, once a stage has begun to learn it. learnt: stages (from 1) that learn it. before: its
    score as the first of them begins; after: stage to its score behind it.
    """

    name: str
    part: Part
    rows: Examples
    test: Examples
    dropped: int = 0
    head: Any = None
    readings: Readings = field(default_factory=lambda: Readings([]))
    targets: Sequence[np.ndarray] = ()
    learnt: list[int] = field(default_factory=list)
    before: float | None = None
    after: dict[int, float] = field(default_factory=dict)

    @cached_property
    def task(self) -> Any:
        """The task itself."""
        return self.part.make()

    @cached_property
    def metric(self) -> Metric:
        """What it is scored by: the first of its task's metrics."""
        return metric_of(self.task.metrics[0])

    @property
    def outputs(self) -> int:
        """How many outputs its head has."""
        return len(self.task.outputs(self.rows.labels))

    def meet(self, model: Any) -> None:
        """Read its rows for a model whose head is to answer them. TailorError for a task that no head answers."""
        if not hasattr(self.task, "outputs"):
            raise TailorError(
                f"no head answers the task '{self.name}', which is {self.part.name}",
                hint="answers: written, with a base that writes",
            )
        length = min(model.max_length, self.task.settings.max_length)
        self.readings = self.task.read(model.tokenizer, self.rows.inputs, length)
        self.targets = self.task.targets(self.readings, self.rows)

    def by_head(self, model: Any) -> HeadAnswering:
        """Its answers by its head on the model as it stands."""
        return HeadAnswering(self.task, model.beside(self.head, self.task.settings.max_length), self.rows.labels)

    def score(self, answering: Any) -> float:
        """Its metric on the rows that were held out."""
        answers = answering.answer(self.test.inputs, self.test.ids)
        return float(self.metric.evidence(predictions_of(self.task, self.test, answers, self.rows.labels)).score())

    def told(self) -> dict[str, Any]:
        """What a run's record says of it."""
        return {
            "task": self.part.name,
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "unit": self.metric.unit,
            "rows": len(self.rows),
            "test_rows": len(self.test),
            "dropped": self.dropped,
            "learnt": self.learnt,
            "before": self.before,
            "after": {str(stage): score for stage, score in self.after.items()},
        }


class Others:
    """All other tasks of a recipe, read before anything is trained.

    recipe: as `completed` gives it. held_out: the test rows of its own task, which none of the others may learn from. Raises TailorError
    for rows that cannot be used, naming file and line, and for a name that stands for two tasks.
    """

    def __init__(self, recipe: Recipe, held_out: HeldOut | None):
        self._stages: list[list[Other]] = []
        known: dict[str, tuple[OtherTask, Other]] = {}
        for number, stage in enumerate(recipe.stages, 1):
            asked = [one for _, one in settings_in(stage.objective) if isinstance(one, OtherTask)]
            if stage.objective.learns_from == "tasks" and not asked:
                raise UsageError(
                    "multi_task learns other tasks besides the own one, and none is named",
                    hint="objective: {part: multi_task, tasks: [{name: topics, rows: topics.csv}]}",
                )
            _refuse_twins(asked, number)
            for one in asked:
                name = one.name.lower()
                if name not in known:
                    known[name] = (one, _read(one, held_out))
                elif _asks(known[name][0]) != _asks(one):
                    raise UsageError(
                        f"the name '{one.name}' stands for two tasks",
                        got=f"{known[name][0].rows} in an earlier stage, {one.rows} in stage {number}",
                        hint="give one of them another name, or name the same rows, test rows and task",
                    )
            self._stages.append([known[one.name.lower()][1] for one in asked])

    def of(self, stage: int) -> list[Other]:
        """Those that a stage (from 1) learns."""
        return self._stages[stage - 1] if self._stages else []

    def earlier(self, stage: int) -> list[Other]:
        """Those that stages before this one have learnt, and it does not."""
        return [one for one in self.learnt if one not in self.of(stage)]

    @property
    def learnt(self) -> list[Other]:
        """Those that any stage has begun to learn, each once."""
        found = {one.name: one for stage in self._stages for one in stage if one.learnt}
        return list(found.values())

    def told(self) -> dict[str, Any]:
        """What a run's record says of them, by name."""
        return {one.name: one.told() for one in self.learnt}


def _asks(one: OtherTask) -> tuple[str, str, Any]:
    """What makes a task the same in two stages: how its loss is smoothed may differ."""
    return one.rows, one.test, one.task.plain() if one.task is not None else None


def _refuse_twins(asked: Sequence[OtherTask], stage: int) -> None:
    names = [one.name.lower() for one in asked]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise UsageError(
            f"stage {stage} names two tasks alike", got=", ".join(twins), hint="give each a name of its own (name: ...)"
        )


def _read(asked: OtherTask, held_out: HeldOut | None) -> Other:
    assert asked.task is not None
    part = asked.task
    if learns_text(part.registry.get(part.name)):
        raise UsageError(f"the task '{asked.name}' has no answers to learn", got=part.name, hint="objective: masked_lm")
    every = _prepared(part, asked, asked.rows)
    kept = [i for i, text in enumerate(every.texts) if held_out is None or not held_out.holds(text)]
    _left(asked, kept, every, "the comparison's test rows")
    rows = every.select(kept)
    if asked.test:
        test = _prepared(part, asked, asked.test, rows.labels)
        copies = {copy.train_index for copy in find_copies(rows.texts, test.texts)}
        clean = [i for i in range(len(rows)) if i not in copies]
        _left(asked, clean, every, f"the rows of {asked.test}")
        rows = rows.select(clean)
    else:
        groups = [normalised(text) for text in rows.groups]
        learnt, held = stratified(rows.strata, min(SHARE, MOST / len(rows)), 0, groups=groups)
        rows, test = rows.select(learnt), rows.select(held)
    settle = getattr(part.make(), "settle", None)
    if settle is not None:
        part = Part(part.name, part.settings.with_(**settle(rows)), tasks)
    dropped = len(every) - len(rows) - (0 if asked.test else len(test))
    return Other(asked.name, part, rows, test, dropped)


def _prepared(part: Part, asked: OtherTask, file: str, labels: Sequence[str] | None = None) -> Examples:
    what = f"'{asked.name}'"
    if not Path(file).exists() and not any(sign in file for sign in "*?["):
        raise UsageError(
            f"the task {what} has no rows: there is no file {file}", hint="paths are seen from where tailor is started"
        )
    try:
        examples: Examples = part.make().prepare(read(file), what=what, labels=labels)
    except UsageError as error:
        # What is typed on the command line for the own task stands in the recipe for another.
        flag = re.match(r"--(?:column )?(\w+)[ =](.+)", error.hint or "")
        near = f", {flag[1]}: {flag[2]}" if flag else ", ..."
        raise UsageError(
            f"{file}: {error.what}",
            got=error.got,
            allowed=error.allowed,
            hint=f"name its columns beside its rows: task: {{part: {part.name}{near}}}",
        ) from None
    return examples


def _left(asked: OtherTask, kept: Sequence[int], every: Examples, among: str) -> None:
    if len(kept) < 2:
        raise CheckError(
            f"the task '{asked.name}' keeps {len(kept)} of {len(every)} rows: the others stand among {among}",
            hint="take other rows, or another split",
        )
