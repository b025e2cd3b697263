"""How a recipe in steps answers: rows go from step to step, each answered by an adaptation of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Rows
from tailorlm.recipes.course import Course, as_column
from tailorlm.recipes.schema import Recipe, Step
from tailorlm.recipes.steps import kind_of, row_columns, task_of
from tailorlm.tasks.base import Answers, Examples, Task

# The folder of an adaptation in which those of its steps lie, each under its name.
STEPS = "steps"
# What is added up over the steps of a row.
TOKENS = ("tokens_in", "tokens_out")


class Answerer(Protocol):
    """What answers one step: an adaptation."""

    @property
    def answering(self) -> Any:
        """How it answers."""

    def write(self, folder: Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write its files."""


class StepsTask:
    """The whole task of a recipe in steps: asked with rows and all columns that steps read, and otherwise what it is."""

    def __init__(self, recipe: Recipe):
        self.whole: Task = recipe.task.make()
        self.settings, self.answers, self.metrics = self.whole.settings, self.whole.answers, self.whole.metrics
        self.row_columns = row_columns(recipe)

    def columns(self, rows: Rows, *, what: str) -> None:
        """As the whole task checks them."""
        self.whole.columns(rows, what=what)

    def faults(self, rows: Rows) -> dict[int, str]:
        """As the whole task finds them."""
        return self.whole.faults(rows)

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """As the whole task makes them."""
        return self.whole.prepare(rows, what=what, labels=labels)

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """As the whole task finds them."""
        return self.whole.findings(train)

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """The columns of rows that steps read; a text alone where they read one. TailorError names the row without one."""
        if isinstance(rows, str | Mapping):
            raise TailorError("predict takes many rows at once", hint="put it in a list: predict([row])")
        found = []
        for number, row in enumerate(rows, 1):
            if not isinstance(row, Mapping) and len(self.row_columns) > 1:
                asked = f"a mapping with {', '.join(map(repr, self.row_columns))}"
                raise TailorError(f"row {number} is a text alone", allowed=asked)
            values = row if isinstance(row, Mapping) else {self.row_columns[0]: row}
            missing = [name for name in self.row_columns if name not in values]
            if missing:
                raise TailorError(
                    f"row {number} has no column '{missing[0]}', which a step reads",
                    got=f"columns: {', '.join(map(str, values)) or '(none)'}",
                )
            found.append({name: values[name] for name in self.row_columns})
        return found

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as the whole task shows it, and beside it what the steps before said, `step_NAME` each."""
        own: dict[str, Any] = {"predicted": value}
        if detail.get("fault") is None or value is not None:
            own = self.whole.cells(value, detail)
        said = {f"step_{name}": told.get("text") for name, told in detail.get("steps", {}).items()}
        return own | said | ({"fault": detail["fault"]} if detail.get("fault") else {})


@dataclass(frozen=True)
class Reached:
    """The rows that came to a step. index: which; columns: what it read of each; values: what it answered, None for nothing."""

    step: Step
    part: Answerer
    index: list[int]
    columns: list[dict[str, Any]]
    values: list[Any]


class StepsAnswering:
    """A task answered in steps. parts: the adaptation of each step, in order. labels: those of the whole task."""

    def __init__(self, recipe: Recipe, parts: Sequence[Answerer], labels: Sequence[str]):
        self.recipe, self.parts, self.labels = recipe, list(parts), tuple(labels)
        self.task = StepsTask(recipe)

    @property
    def model(self) -> Any:
        """The model of the last step."""
        return self.parts[-1].answering.model

    def named(self) -> Iterator[tuple[Step, Answerer]]:
        """The steps with what answers them."""
        return zip(self.recipe.steps, self.parts, strict=True)

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """One answer an input: of the last step that its row came to. detail: what each step said, under `steps`, and why there is no answer."""
        course, merged = Course(self.recipe.steps, inputs), _Merged(len(inputs), self.labels)
        for step, part in self.named():
            index = course.reaching(step)
            if not index:
                continue
            asked, texts = answered(step, part, course, index, ids)
            same = kind_of(step.recipe.task) == self.task.answers
            merged.take(step.name, index, asked, texts, part.answering.labels, same=same)
        merged.lose(course.lost)
        return merged.answers()

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Probabilities of the whole task's labels, (inputs, labels). TailorError where a step that ends gives none."""
        found = self.answer(inputs).scores
        if found is None:
            raise TailorError("these steps give answers without scores", hint="predict gives the answers themselves")
        return found

    def reached(self, inputs: Sequence[Any], answers: Answers) -> Iterator[Reached]:
        """Which rows came to each step, and what it read and said there: told again from answers that were given."""
        course = Course(self.recipe.steps, inputs)
        for step, part in self.named():
            index = [i for i in course.reaching(step) if step.name in answers.detail[i]["steps"]]
            columns = [course.columns(step, i) for i in index]
            told = [answers.detail[i]["steps"][step.name] for i in index]
            values = [one["value"] for one in told]
            yield Reached(step, part, index, columns, values)
            for i, one in zip(index, told, strict=True):
                course.move(step, i, _label(step, one["value"]), one["text"])

    # ---- folders

    def facts(self) -> dict[str, Any]:
        """Nothing but the steps' names; each has a folder with facts of its own."""
        return {STEPS: [step.name for step in self.recipe.steps]}

    def write(self, folder: Path) -> None:
        """Write the adaptation of every step into a folder of its own."""
        for step, part in self.named():
            own = folder / STEPS / step.name
            own.mkdir(parents=True)
            part.write(own)


def answered(
    step: Step, part: Answerer, course: Course, index: Sequence[int], ids: Sequence[str] | None
) -> tuple[Answers, list[str | None]]:
    """Have a step answer some rows and take them past it. Returns its answers, and the text of each."""
    task = task_of(step)
    given = task.inputs([course.columns(step, i) for i in index])
    found: Answers = part.answering.answer(given, [ids[i] for i in index] if ids is not None else None)
    texts = [as_column(task, value, one) for value, one in zip(found.values, given, strict=True)]
    for i, value, text in zip(index, found.values, texts, strict=True):
        course.move(step, i, _label(step, value), text)
    return found, texts


def _label(step: Step, value: Any) -> str | None:
    """The label that a row is sent on by, where the step's answers are labels."""
    return value if isinstance(value, str) and kind_of(step.recipe.task) == "label" else None


class _Merged:
    """The answers of all steps, put together row by row."""

    def __init__(self, rows: int, labels: Sequence[str]):
        self.values: list[Any] = [None] * rows
        self.detail: list[dict[str, Any]] = [{"steps": {}} for _ in range(rows)]
        self.sure: list[float | None] = [None] * rows
        self.scores: list[np.ndarray | None] = [None] * rows
        self.whole = [False] * rows
        self.labels = tuple(labels)

    def take(
        self,
        name: str,
        index: Sequence[int],
        found: Answers,
        texts: Sequence[str | None],
        labels: Sequence[str],
        *,
        same: bool,
    ) -> None:
        """What a step said of some rows. same: whether its answers are of the whole task's kind."""
        places = [self.labels.index(label) if label in self.labels else -1 for label in labels]
        for j, i in enumerate(index):
            told = dict(found.detail[j]) if found.detail else {}
            before = self.detail[i]
            said = {"value": found.values[j], "text": texts[j]}
            said |= {key: told[key] for key in (*TOKENS, "fault", "kept", "kept_seconds") if key in told}
            sums = {key: before.get(key, 0) + told[key] for key in TOKENS if key in told}
            cut = {"cut": True} if told.get("cut") or before.get("cut") else {}
            steps = before["steps"] | {name: said}
            kept = {key: before[key] for key in TOKENS if key in before}
            self.detail[i] = kept | told | sums | cut | {"steps": steps}
            self.values[i], self.whole[i] = found.values[j] if same else None, same
            self.sure[i] = float(found.confidence[j]) if same and found.confidence is not None else None
            self.scores[i] = self._wide(found.scores[j], places) if same and found.scores is not None else None

    def _wide(self, scores: np.ndarray, places: Sequence[int]) -> np.ndarray:
        """A step's scores at the places of the whole task's labels."""
        wide = np.zeros(len(self.labels), np.float32)
        for score, place in zip(scores, places, strict=False):
            if place >= 0:
                wide[place] = score
        return wide

    def lose(self, lost: Mapping[int, str]) -> None:
        """Rows that went no further have no answer, and that is told."""
        for i, why in lost.items():
            faults = [told["fault"] for told in self.detail[i]["steps"].values() if told.get("fault")]
            self.values[i], self.sure[i], self.scores[i] = None, None, None
            self.detail[i] |= {"fault": faults[-1] if faults else why}
        for i, detail in enumerate(self.detail):
            if not self.whole[i] and "fault" not in detail:
                detail["fault"] = "no step that answers"

    def answers(self) -> Answers:
        """One answer a row; how sure and scores where every row has them."""
        known = bool(self.values) and all(sure is not None for sure in self.sure)
        scored = bool(self.values) and all(scores is not None for scores in self.scores)
        sure = np.array(self.sure, np.float64) if known else None
        return Answers(
            self.values,
            sure,
            np.stack([s for s in self.scores if s is not None]) if scored else None,
            list(self.detail),
        )
