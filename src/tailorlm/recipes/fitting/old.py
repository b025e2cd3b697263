"""What penalties against forgetting look at before the first step of a stage: the start, and rows of an earlier task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import Rows, as_text, read
from tailorlm.models.mode import evaluating
from tailorlm.models.run import embed, vectors_of
from tailorlm.objectives.labels import Labels
from tailorlm.recipes.fitting.head_start import labelled
from tailorlm.recipes.fitting.others import Other
from tailorlm.recipes.forgotten import GENERAL
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job
from tailorlm.training.lesson import IGNORED, LabelLesson, Lesson
from tailorlm.training.mixture import KeptVectors, Mixed, Mixture, of_rows
from tailorlm.training.source import HeadedSource
from tailorlm.training.token_rows import TokenRows

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tailorlm.models.decoder import Writer
    from tailorlm.models.encoder import TextModel
    from tailorlm.models.row_losses import RowLosses
    from tailorlm.tasks.base import Examples, HeadTask, SearchTask, Task

# Inverse strength of L2 regularisation of the head that stands for the old task.
STRENGTH = 10.0
NO_LABELS = "old rows speak through a head of labels, which this task has not"


@dataclass(frozen=True)
class _Known:
    """Old rows, what is right of them, and the head that answers them."""

    readings: Readings
    targets: Sequence[np.ndarray]
    head: Any


@dataclass
class StageScene:
    """A stage before its first step: the model with its weights part on, and the task whose columns old rows share.

    rows: the train rows, which know the test rows that none of the old ones may be. earlier: other tasks that stages before have learnt,
    which stand for the old one where no file does.
    """

    model: TextModel
    task: HeadTask | SearchTask
    names: Sequence[str]
    rows: Examples
    earlier: Sequence[Other] = ()

    @property
    def learning(self) -> Mapping[str, nn.Parameter]:
        """Parameters that learn, by name."""
        return _named(self.model, self.names)

    @property
    def head(self) -> frozenset[str]:
        """Names of the new task's head."""
        return frozenset(self.model.head_parameters())

    def old(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Old rows one by one: scores (places, labels) of a head on the model's vectors of them, and codes (places,).

        file: of rows with this task's columns, whose head is logistic regression on those vectors; without one the earlier tasks' rows,
        through the heads that they were learnt with. The first `count` rows of each count. Raises UsageError for tasks that do not ask
        for one label at each place, and where there is neither a file nor an earlier task.
        """
        import torch

        with evaluating(self.model):
            for known in self._known(file, count):
                for i, target in enumerate(known.targets):
                    places = torch.from_numpy(target).to(self.model.device)
                    scores = known.head(self.model.vectors(**self.model.batch(known.readings.select([i]))))
                    yield scores[places != IGNORED], places[places != IGNORED]

    def _known(self, file: str, count: int | None = None) -> list[_Known]:
        """What is known of old rows: those of a file, or of each earlier task."""
        if file:
            return [self._fitted(file, count)]
        several = [one for one in needed(self.earlier) if one.task.target != "one"]
        if several:
            raise UsageError(NO_LABELS, got=f"the task '{several[0].name}'", hint="penalties: [l2_sp]")
        found = []
        for one in self.earlier:
            index = [i for i, row in enumerate(one.readings.rows) if count is None or row < count]
            found.append(_Known(one.readings.select(index), [one.targets[i] for i in index], one.head))
        return found

    def _fitted(self, file: str, count: int | None) -> _Known:
        """Old rows of a file, and logistic regression on the model's vectors of them."""
        from tailorlm.weights.features import logistic_head, unit

        task: Any = self.task
        if getattr(task, "target", None) != "one":
            raise UsageError(NO_LABELS, hint="penalties: [l2_sp]")
        examples = old_rows(task, file, count, self.rows)
        readings = task.read(self.model.tokenizer, examples.inputs, self.model.max_length)
        targets = task.targets(readings, examples)
        vectors, codes = labelled(vectors_of(self.model, readings), targets, "one")
        outputs = len(task.outputs(examples.labels))
        return _Known(readings, targets, logistic_head(unit(vectors), codes, outputs, STRENGTH).to(self.model.device))

    def rehearsed(self, job: Job, settings: Any) -> Job:
        """The job with old rows mixed into its steps, as the settings of `rehearsal` say."""
        if not of_rows(job.order):
            raise TailorError(
                "old rows cannot be mixed into draws of several rows", hint="penalties: [l2_sp], or objective: labels"
            )
        if not set(self.names) - self.head:
            raise TailorError(
                "rehearsal holds nothing where the head alone learns", hint="leave it out, or weights: lora"
            )
        if settings.learn == "generated":
            raise UsageError(
                "an encoder writes no texts to rehearse",
                hint="penalties: [rehearsal], which keeps vectors of general sentences",
            )
        if settings.learn == "labels":
            lessons = [
                LabelLesson(
                    HeadedSource(self.model, known.readings, known.head), Labels(Labels.Settings()), known.targets
                )
                for known in self._known(settings.rows)
            ]
            other: Any = Mixture(lessons)
        else:
            texts = old_texts(settings.rows, settings.column, self.rows)
            readings = Readings(self.model.tokenize(texts))
            other = KeptVectors(self.model, readings, embed(self.model, texts))
        return mixed(job, other, settings)


@dataclass
class WritingScene:
    """The same of a model that writes.

    losses: of the model with its part on. tokens: of a file's rows ("": of earlier tasks'), the first so many, as the model is trained on them.
    """

    model: Writer
    names: Sequence[str]
    losses: RowLosses
    tokens: Callable[[str, int], Sequence[TokenRows]]

    head: ClassVar[frozenset[str]] = frozenset()

    @property
    def learning(self) -> Mapping[str, nn.Parameter]:
        """Parameters that learn, by name."""
        return _named(self.model, self.names)

    def old(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Old rows one by one: scores (places, vocabulary) at each token of the answer, and the tokens (places,)."""
        import torch

        with evaluating(self.model):
            for rows in self.tokens(file, count):
                targets = rows.targets()
                for i in range(len(rows)):
                    span = slice(rows.borders[i], rows.borders[i + 1])
                    ids, places = rows.ids[span].astype(np.int64), np.flatnonzero(targets[span])
                    codes = torch.from_numpy(ids[places]).to(self.model.device)
                    yield self.losses.logits([ids], places - 1), codes


def _named(model: nn.Module, names: Sequence[str]) -> Mapping[str, nn.Parameter]:
    parameters = dict(model.named_parameters())
    return {name: parameters[name] for name in names}


def written_freely(writer: Writer, texts: int, tokens: int, seed: int) -> TokenRows:
    """Texts that a model writes from nothing but the token that texts begin with, each token as likely as it says.

    tokens: the longest. Raises TailorError for a model without such a token.
    """
    from tailorlm.models.answers import Writing
    from tailorlm.models.generate import write

    begin = writer.chat.tokens.before_text
    if not begin:
        raise TailorError(
            "this model has no token that a text begins with, so it cannot write one from nothing",
            hint="penalties: [{part: rehearsal, rows: texts.csv}]",
        )
    most = min(tokens, writer.max_length - len(begin))
    writing = Writing(max_new_tokens=most, temperature=1.0, seed=seed)
    found = [row.ids for row in write(writer, [begin] * texts, writing) if row.ids]
    names = [f"own text {i + 1}" for i in range(len(found))]
    return TokenRows.of([([*begin, *ids], [False] * len(begin) + [True] * len(ids)) for ids in found], names)


def needed(earlier: Sequence[Other]) -> Sequence[Other]:
    """Tasks that earlier stages learnt, where a penalty names no old rows. UsageError where there are none."""
    if not earlier:
        raise UsageError(
            "there are no old rows: no file is named, and no stage before this one has learnt another task",
            hint="{part: ..., rows: old.csv} in penalties; or a stage of intermediate_task before this one",
        )
    return earlier


def old_rows(task: Task, file: str, count: int | None, own: Examples) -> Examples:
    """The first `count` rows of a file with a task's columns; all without a count. own: as for `old_texts`, of the rows' texts."""
    rows = read(file)
    examples = task.prepare(Rows(tuple(rows)[:count], rows.columns), what="old")
    own.refuse_test_texts(examples.ids, examples.texts)
    return examples


def old_texts(file: str, column: str, own: Examples) -> list[str]:
    """Texts of a file, the general sentences of tailorlm where none is named. UsageError for a file without the column.

    own: the train rows; CheckError for texts that are among the test rows that they know of.
    """
    if not file:
        return GENERAL.read_text(encoding="utf-8").splitlines()
    rows = read(file)
    if column not in rows.columns:
        raise UsageError(f"{file} has no column '{column}'", got=", ".join(rows.columns))
    texts = [as_text(value) for value in rows.column(column)]
    own.refuse_test_texts([row.where for row in rows], texts)
    kept = [text for text in texts if text.strip()]
    if not kept:
        raise CheckError("there is no text to rehearse", got=file)
    return kept


def mixed(job: Job, other: Lesson, settings: Any) -> Job:
    """The job with rows of another lesson in its steps."""
    if not settings.share:
        return job
    count, others = len(job.lesson.lengths), len(other.lengths)
    order = Mixed(job.rows_in_order(), count, others, settings.share, job.seed)
    ids = [*job.ids, *(f"old row {i + 1}" for i in range(others))]
    return replace(
        job, lesson=Mixture([job.lesson, other], [settings.strength], job.lesson.module), order=order, ids=ids
    )
