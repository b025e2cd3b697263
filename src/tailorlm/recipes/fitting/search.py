"""Fitting a recipe that searches: its stages in order, on queries and the passages that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics import Metric
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.objectives._search import hard_negatives
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.searching import SearchAnswering
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.given import Given
from tailorlm.recipes.fitting.head import FEW_ROWS, rates_of
from tailorlm.recipes.fitting.old import StageScene
from tailorlm.recipes.fitting.seen import cut_event
from tailorlm.recipes.forgotten import limits_of
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.recipes.stack import Stack
from tailorlm.tasks.base import Examples, SearchTask
from tailorlm.tasks.readings import Readings, left_out, ragged_ids
from tailorlm.training.job import Event, Job, Score, Trained
from tailorlm.training.plain_text import text_lesson
from tailorlm.training.search import KnownTexts, ReadTexts, SearchLesson, Texts

# Passages that validation rows search while settings are chosen: their own, and others of the train rows up to so many. Reading them
# is most of what a validation costs.
JUDGED = 500
# What cosines are divided by where the loss of validation rows is told; an objective may learn with another.
TEMPERATURE = 0.05


def fit_search(recipe: Recipe, given: Given) -> Fitted:
    """Fit a recipe that searches. Raises TailorError for parts that have nothing to learn here."""
    answering = SearchAnswering.of(recipe, resolve(recipe.base, recipe.quantise, recipe.layers), given.rows.pool)
    answering.view = given.embeddings
    fitting = _Fitting(recipe, answering, given, given.judge(recipe))
    for stage, part in zip(recipe.stages, recipe.parts(), strict=True):
        fitting.stage(stage, part)
    fitting.stack.settle()
    fitting.stack.release()
    score = None
    if given.validation is not None:
        last = fitting.trained[-1].best if fitting.trained and recipe.context is None else None
        score = last or fitting.score()
    # What is kept computes its own vectors: those shared are of the rows that were fitted on.
    answering.view = None
    counted = sum(fitting.stack.counted.values())
    return Fitted(Adaptation(recipe, answering, fitting.stack), fitting.trained, counted, score, cut=fitting.cut)


@dataclass
class _Fitting:
    recipe: Recipe
    answering: SearchAnswering
    given: Given
    metric: Metric

    def __post_init__(self) -> None:
        self.rows = self.given.rows
        self.task: SearchTask = self.answering.task
        self.model = self.answering.model
        self.trained: list[Trained] = []
        self.stack = Stack(self.model)
        self.cut: Event = {}
        names = dict.fromkeys(name for of_row in (*self.rows.gold, *self.rows.against) for name in of_row)
        self.names = list(names)  # of the passages that train rows have: what is learnt from, and mined among

    def stage(self, stage: Stage, part: Any) -> None:
        """Fit one stage. part: the stage's own, which the stage before may have begun to train."""
        if not part.trains:
            raise TailorError(
                f"weights: {stage.weights.name} is a classifier, and passages to find are no labels",
                hint="weights: head learns one linear step over the frozen vectors; or lora, bias, adapter, full",
            )
        head_alone = not part.body_learns
        if head_alone and self.model.head is None:
            self.model.head = _identity(self.model.width).to(self.model.device)
        objective = stage.objective.make()
        mined = self._mined(objective.settings) if stage.objective.learns_from == "queries" else []
        limits = limits_of(self.model, stage.penalties)
        names = self.stack.begin(part)
        lesson, more = self._lesson(stage, objective, mined, known=head_alone)
        if not head_alone:
            self.answering.view = None  # the body learns: what was shared is no longer its own
        order, base = getattr(lesson, "order", None), self.model.base.fingerprint
        lr = stage.weights.settings.lr
        job = Job(lesson, [*names, *more], lesson.names, stage.train, lr, self.given.seed, order=order, base=base)
        job.parts = self.given.told(self.recipe, len(self.trained) + 1)
        job.rates = rates_of(part, names, self.model.body, stage.train.layer_decay)
        job.begins = part.begins(self.model, names)
        if more and (passes := getattr(objective.settings, "warm_up", 0)):  # what was made learns alone first
            last = stage.train.epochs - 1
            job.begins = {name: min(last, max(passes, job.begins.get(name, 0))) for name in names}
        scene = StageScene(self.model, self.task, names, self.rows)
        for penalty in stage.penalties:
            if penalty.acts_on == "rows":
                job = scene.rehearsed(job, penalty.settings)
        job.penalties = [penalty.make().begin(scene) for penalty in stage.penalties if penalty.acts_on == "loss"]
        job.held, job.limits = [penalty.plain() for penalty in stage.penalties], limits
        validate = self.score if self.given.validation is not None and stage.objective.answers else None
        self.trained.append(self.given.train(job, len(self.trained) + 1, validate))
        if order is not None:  # bundles drawn anew in every pass: none of them has a name
            self.trained[-1].ids, self.trained[-1].row_losses = (), np.zeros(0)
        self.model.requires_grad_(False)

    # ---- what is learnt from

    def _texts(self) -> tuple[list[str], list[str]]:
        """Queries and passages of the train rows, as the encoder reads them."""
        return self.task.queries(self.rows.inputs), self.task.passages([self.rows.pool[name] for name in self.names])

    def _sides(self) -> tuple[list[list[int]], list[list[int]]]:
        """Places of each query's right and wrong passages."""
        place = {name: i for i, name in enumerate(self.names)}
        wrong = self.rows.against or [()] * len(self.rows)
        return [[place[name] for name in of] for of in self.rows.gold], [[place[name] for name in of] for of in wrong]

    def _mined(self, settings: Any) -> list[list[int]]:
        """Places of passages that look right to the encoder as the stage begins, for each query; none where none are asked for."""
        if not settings.mined:
            return []
        queries, passages = map(self.answering.vectors, self._texts())
        found, passed = hard_negatives(queries, passages, self._sides()[0], settings.mined, settings.mined_below)
        mined = sum(map(len, found))
        self.given.listen({"event": "mined", "found": mined, "queries": len(found), "passed_over": passed})
        return found

    def _lesson(
        self, stage: Stage, objective: Any, mined: Sequence[list[int]], *, known: bool
    ) -> tuple[Any, Sequence[str]]:
        """What a stage learns from, and names of what it made to learn besides. known: vectors below the head do not change."""
        queries, passages = self._texts()
        if stage.objective.learns_from == "text":
            if known:
                raise TailorError(
                    "text moves the body, and here the head alone learns", hint="weights: full, lora or adapter"
                )
            named, texts = objective.texts(self.names, passages)
            self.rows.refuse_test_texts(named, texts)
            return text_lesson(objective, self.model, named, texts, self.given.seed, stage.train.rows_per_step)
        self._tell_cut([*queries, *passages])
        right, wrong = self._sides()
        both = [list(dict.fromkeys([*own, *more])) for own, more in zip(wrong, mined or [[]] * len(wrong), strict=True)]
        sides: list[Texts] = [self._side(texts, known=known) for texts in (queries, passages)]
        lesson = SearchLesson(
            self.model,
            (sides[0], sides[1]),
            (right, both),
            objective,
            negatives=objective.settings.negatives,
            size=stage.train.rows_per_step,
            seed=self.given.seed,
        )
        return lesson, ()

    def _side(self, texts: Sequence[str], *, known: bool) -> Texts:
        if known:
            from tailorlm.models.run import embed

            view = self.answering.view
            return KnownTexts(self.model, view.take(self.model, texts) if view else embed(self.model, texts))
        return ReadTexts(self.model, ragged_ids(self.model.tokenizer, texts, self.model.max_length))

    def _tell_cut(self, texts: Sequence[str]) -> None:
        """Tell which queries and passages are too long."""

        def read(some: Sequence[str], most: int) -> Readings:
            return Readings(ragged_ids(self.model.tokenizer, some, most))

        limit = self.model.max_length
        rows, tokens = left_out(read, texts, read(texts, limit), limit)
        if rows:
            self.cut = cut_event("texts", len(texts), limit, rows, tokens)
            self.given.listen(self.cut)

    # ---- how it is judged

    def score(self) -> Score:
        """Metric on the validation rows, and mean loss of finding a right passage among those searched, as the model stands."""
        judged = judged_pool(self.given.held)
        answering = self.answering.over(judged)
        found = answering.answer(self.given.held.inputs)
        predictions = predictions_of(self.task, self.given.held, found, ())
        value = self.metric.evidence(predictions).score()
        few = len(self.given.held) < FEW_ROWS and answering.meant
        loss = self._loss(answering) if answering.meant else 0.0
        return Score(value if self.metric.higher_is_better else -value, loss, by_loss=few)

    def _loss(self, answering: SearchAnswering) -> float:
        """Nats: minus the logarithm of the share that a query's right passages have of all."""
        place = {name: i for i, name in enumerate(answering.names)}
        vectors = answering.index.vectors
        assert vectors is not None
        likeness = answering.vectors(self.task.queries(self.given.held.inputs)) @ np.asarray(vectors).T / TEMPERATURE
        powers = np.exp(likeness.astype(np.float64) - likeness.max(axis=1, keepdims=True))
        right = [powers[i, [place[name] for name in names]].sum() for i, names in enumerate(self.given.held.gold)]
        return float(-np.log(np.maximum(np.array(right) / powers.sum(axis=1), 1e-300)).mean())


def judged_pool(rows: Examples) -> dict[str, str]:
    """What validation rows search: their own passages, and others of their pool up to `JUDGED`, whichever they are."""
    own = dict.fromkeys(name for of_row in (*rows.gold, *rows.against) for name in of_row)
    # Names are hashes of the texts, so their order is one by chance, and the same in every run.
    others = sorted(name for name in rows.pool if name not in own)
    return {name: rows.pool[name] for name in [*own, *others[: max(0, JUDGED - len(own))]]}


def _identity(width: int) -> Linear:
    """A step that changes nothing yet."""
    import torch

    return Linear(torch.eye(width), torch.zeros(width))
