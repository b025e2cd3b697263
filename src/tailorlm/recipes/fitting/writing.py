"""Fitting a recipe whose model writes: its stages on rendered conversations, with what is shown in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation.metrics import Metric
from tailorlm.models.chat import Rendered
from tailorlm.models.decoder import Writer
from tailorlm.models.encoder import positions
from tailorlm.models.renderings import render_all
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.run import batches
from tailorlm.recipes.adaptation import Adaptation, Another
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.reading import ReadAnswering
from tailorlm.recipes.answering.writing import WriteAnswering, load_answerer, prompt_limit, scores_choices
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.given import Given
from tailorlm.recipes.fitting.head import rates_of
from tailorlm.recipes.fitting.old import WritingScene, mixed, needed, old_rows, old_texts, written_freely
from tailorlm.recipes.fitting.optimised import optimised
from tailorlm.recipes.fitting.others import Other, Others
from tailorlm.recipes.fitting.seen import cut_event, ends_of, of_tokens
from tailorlm.recipes.forgotten import limits_of
from tailorlm.recipes.schema import Recipe, Stage, learns_text
from tailorlm.recipes.stack import Stack
from tailorlm.tasks.base import Answers, Examples
from tailorlm.tasks.readings import log_shares
from tailorlm.training.job import Event, Job, Score, Trained
from tailorlm.training.language import NextTokens
from tailorlm.training.mixture import Draws, Mixture
from tailorlm.training.plain_text import framed
from tailorlm.training.preferences import PreferenceLesson, losses_of
from tailorlm.training.token_rows import TokenRows

if TYPE_CHECKING:
    import torch

# Validation rows that are answered after every pass where answers are free: writing is slow, and the loss is taken over all of them.
WRITTEN = 64
# Parts that show vectors as tokens, which packed rows have no place for.
VIRTUAL = {"prefix", "prompt"}


def fit_writing(recipe: Recipe, given: Given) -> Fitted:
    """Fit a recipe whose model writes. Raises TailorError for parts that need a head, CheckError for rows with nothing to learn."""
    task = recipe.task.make()
    reads = learns_text(type(task))
    if not hasattr(task, "ask") and not reads:
        raise TailorError(f"the task '{recipe.task.name}' cannot be answered by writing yet", hint="answers: head")
    model = load_answerer(resolve(recipe.base, recipe.quantise, recipe.layers), prompt_limit(task))
    answering: WriteAnswering | ReadAnswering
    if reads:
        assert isinstance(model, Writer)
        answering = ReadAnswering(task, model)
    else:
        answering = WriteAnswering.of(recipe, model, given.rows)
    judge = given.judge(recipe)
    fitting = _Fitting(recipe, answering, given, judge)
    if given.validation is not None and isinstance(answering, WriteAnswering) and answering.shown.optimise:
        fitting.decided = optimised(answering, given.rows, given.validation, judge, given.seed, given.listen)
    for number, (stage, part) in enumerate(zip(recipe.stages, recipe.parts(), strict=True), 1):
        fitting.stage(stage, part, number)
    fitting.stack.settle()
    fitting.stack.release()
    score = None
    if given.validation is not None:
        # What validation rows decide is decided on the weights that are kept.
        kept = fitting.trained[-1].best if fitting.trained and not fitting.chooses else None
        score = kept or fitting.score()
    found, learnt = fitting.found | fitting.decided, fitting.others.learnt
    others = [Another(one.name, one.part, fitting.asking(one)) for one in learnt]
    adaptation = Adaptation(recipe.with_task(found), answering, fitting.stack, others)
    counted, told = sum(fitting.stack.counted.values()), fitting.others.told()
    return Fitted(adaptation, fitting.trained, counted, score, found, told, cut=fitting.cut)


@dataclass
class _Fitting:
    recipe: Recipe
    answering: WriteAnswering | ReadAnswering
    given: Given
    metric: Metric

    def __post_init__(self) -> None:
        self.rows = self.given.rows
        self.task = self.answering.task
        self.trained: list[Trained] = []
        self.stack = Stack(self.answering.model)
        self.losses: RowLosses | None = None
        self.cut: Event = {}
        self.held: NextTokens | PreferenceLesson | Mixture | None = None
        self.found: dict[str, Any] = {}  # settings of the task that the validation rows decided
        self.decided: dict[str, Any] = {}  # settings of the prompt that they decided
        self.others = Others(self.recipe, self.rows.held_out)
        self.chooses = hasattr(self.task, "choose") and scores_choices(self.recipe)

    @property
    def model(self) -> Writer:
        """The model that learns; a recipe with stages has one."""
        assert isinstance(self.answering.model, Writer)
        return self.answering.model

    def asking(self, other: Other) -> WriteAnswering:
        """How another task is asked and answered."""
        if not isinstance(self.answering, WriteAnswering) or not hasattr(other.task, "ask"):
            raise TailorError(
                f"the task '{other.name}' cannot be answered by writing beside this one", hint="answers: head"
            )
        return self.answering.beside(other.task, other.rows)

    def stage(self, stage: Stage, part: Any, number: int) -> None:
        """Fit one stage, the number-th (from 1). part: the stage's own, which the stage before may have begun to train."""
        if not part.trains or not part.body_learns:
            raise TailorError(
                f"weights: {stage.weights.name} learns a head, and a model that writes has none",
                hint="weights: lora, full, bias or adapter; or answers: head",
            )
        start, limits = self._start(stage), limits_of(self.model, stage.penalties)
        own = {id(p): self._own_texts(p.settings) for p in stage.penalties if p.acts_on == "rows"}
        for other in self.others.of(number):
            if not other.learnt:
                other.before = other.score(self.asking(other))
            other.learnt.append(number)
        names = self.stack.begin(part)
        self.losses = RowLosses(self.model.body, pad=self.model.pad_id, packed=stage.weights.name not in VIRTUAL)
        answers = stage.objective.answers
        reads = isinstance(self.answering, ReadAnswering)
        lesson = self._lesson(stage, self.rows, start, number)
        judged = self.given.validation if answers or reads else None
        self.held = self._lesson(stage, judged, start) if judged is not None and answers else None
        lr, base = stage.weights.settings.lr, self.model.base.fingerprint
        job = Job(lesson, names, self._names(lesson, number), stage.train, lr, self.given.seed, base=base)
        job.order = self._draws(stage, lesson)
        self._show(job, lesson)
        job.parts = self.given.told(self.recipe, number)
        job.rates = rates_of(part, names, self.model.body, stage.train.layer_decay)
        job.begins = part.begins(self.model, names)
        scene = WritingScene(self.model, names, self.losses, partial(self._old_tokens, number))
        for penalty in stage.penalties:
            if penalty.acts_on == "rows":
                job = mixed(job, self._old(penalty.settings, own[id(penalty)], number), penalty.settings)
        job.penalties = [penalty.make().begin(scene) for penalty in stage.penalties if penalty.acts_on == "loss"]
        job.held, job.limits = [penalty.plain() for penalty in stage.penalties], limits
        validate = self.score if judged is not None else None
        self.trained.append(self.given.train(job, len(self.trained) + 1, validate))
        self.model.requires_grad_(False)
        self.model.eval()
        for other in self.others.learnt:
            other.after[number] = other.score(self.asking(other))

    def _show(self, job: Job, lesson: NextTokens | PreferenceLesson | Mixture) -> None:
        """Give the job its first row as text, and how many rows learn where they end."""
        own: Any = lesson.lessons[0] if isinstance(lesson, Mixture) else lesson
        tokens = own.both if isinstance(own, PreferenceLesson) else own
        job.example = of_tokens(tokens, partial(self.model.chat.tokens.decode, special=True))
        if isinstance(lesson, NextTokens):
            job.ends = ends_of(lesson.rows, self.model.chat.stop_ids)

    def _text(self, stage: Stage, rows: Examples) -> NextTokens:
        """Plain text as the lesson of a stage."""
        if stage.objective.name != "causal_lm":
            raise TailorError(
                f"objective: {stage.objective.name} is not for models that write", hint="objective: causal_lm"
            )
        assert self.losses is not None
        objective = stage.objective.make()
        named, texts = objective.texts(rows.ids, rows.texts)
        rows.refuse_test_texts(named, texts)
        length = min(objective.settings.max_length, self.model.max_length)
        overlap = min(objective.settings.overlap, length - 1)
        return NextTokens(self.losses, framed(self.model.tokenizer, named, texts, length, overlap), self.model)

    def _old_rows(self, file: str, count: int | None = None) -> Examples:
        """Rows of an earlier task with the columns of this one, the first `count` of the file."""
        if isinstance(self.answering, ReadAnswering):
            raise UsageError("plain text has no old answers", hint="penalties: [rehearsal] or [l2_sp]")
        return old_rows(self.task, file, count, self.rows)

    def _own_texts(self, settings: Any) -> TokenRows | None:
        """Texts that the model writes as it stands, where these are to be rehearsed."""
        if settings.learn != "generated":
            return None
        return written_freely(self.model, settings.texts, settings.tokens, self.given.seed)

    def _old_tokens(self, number: int, file: str, count: int) -> Sequence[TokenRows]:
        """Rows of a file as the model is trained on them, or those of each task that stages before this one (number) have learnt."""
        if file:
            return [self._tokens(self._old_rows(file, count))]
        earlier = needed(self.others.earlier(number))
        return [self._tokens(one.rows.select(range(min(count, len(one.rows)))), self.asking(one)) for one in earlier]

    def _old(self, settings: Any, own: TokenRows | None, number: int) -> NextTokens | Mixture:
        """What is rehearsed: old rows of the same columns, or those of tasks that stages before this one (number) have learnt; or texts.

        own: texts of the model itself.
        """
        assert self.losses is not None
        if own is not None:
            return NextTokens(self.losses, own, self.model)
        if settings.learn == "labels":
            if not settings.rows:
                return Mixture([self._of_other(one) for one in needed(self.others.earlier(number))])
            return NextTokens(self.losses, self._tokens(self._old_rows(settings.rows)), self.model)
        texts = old_texts(settings.rows, settings.column, self.rows)
        names = [f"old text {i + 1}" for i in range(len(texts))]
        return NextTokens(self.losses, framed(self.model.tokenizer, names, texts, self.model.max_length, 0), self.model)

    def _of_other(self, other: Other) -> NextTokens:
        """The rows of another task, in its own words."""
        assert self.losses is not None
        return NextTokens(self.losses, self._tokens(other.rows, self.asking(other)), self.model)

    def _names(self, lesson: Any, number: int) -> Sequence[str]:
        """Names of a lesson's rows."""
        if not isinstance(lesson, Mixture):
            return list(lesson.names)
        own = self.rows.ids[: len(lesson.lengths) - sum(len(one.rows) for one in self.others.of(number))]
        return [*own, *(f"{one.name}: {name}" for one in self.others.of(number) for name in one.rows.ids)]

    def _draws(self, stage: Stage, lesson: Any) -> Draws | None:
        """How often the rows of each task come, where a stage learns several."""
        if stage.objective.learns_from != "tasks":
            return None
        sizes, steps = [len(one.lengths) for one in lesson.lessons], stage.train
        draws = stage.objective.make().draws(sizes)
        return Draws(lesson.lengths, sizes, draws, steps.rows_per_step, self.given.seed, steps.tokens_per_step)

    def _lesson(
        self, stage: Stage, examples: Examples, start: dict[int, torch.Tensor], number: int | None = None
    ) -> NextTokens | PreferenceLesson | Mixture:
        """What a stage learns of these rows. start: what answers were worth before it, by the rows' identity, where it learns preferences.

        number: of the stage, for what it is trained on; without it other tasks' rows are left out.
        """
        assert self.losses is not None
        kind = stage.objective.learns_from
        if kind == "preferences":
            rows, objective = self._both(examples), stage.objective.make()
            return PreferenceLesson(self.losses, rows, start[id(examples)], objective, self.model)
        others = [self._of_other(one) for one in self.others.of(number)] if number is not None else []
        if kind == "task":
            return Mixture(others)
        if kind == "tasks" and others:
            return Mixture([NextTokens(self.losses, self._tokens(examples), self.model), *others])
        if kind not in ("labels", "tasks"):
            return self._text(stage, examples)
        return NextTokens(self.losses, self._tokens(examples), self.model)

    def _start(self, stage: Stage) -> dict[int, torch.Tensor]:
        """What the answers of all pairs are worth before the stage's part is put on, where it learns preferences."""
        if stage.objective.learns_from != "preferences":
            return {}
        losses = RowLosses(self.model.body, pad=self.model.pad_id, packed=False)
        some = [examples for examples in (self.rows, self.given.validation) if examples is not None]
        before, taken = self.model.max_length, getattr(stage.weights.settings, "tokens", 0)
        self.model.max_length = min(before, positions(self.model.body) - taken)  # rows are cut as they will be
        try:
            return {id(examples): losses_of(losses, self._both(examples)) for examples in some}
        finally:
            self.model.max_length = before

    def _both(self, examples: Examples) -> TokenRows:
        """The rows with their chosen answers, then the same with the rejected ones. UsageError where rows have none."""
        if not examples.against:
            raise UsageError(
                "preference learns from a better and a worse answer, and these rows have one",
                got=f"task: {self.recipe.task.name}",
                allowed="rows with `prompt`, `chosen` and `rejected`, for the task generate",
                hint="--column rejected=COLUMN, or objective: labels",
            )
        chosen, rejected = self._rendered(examples), self._rendered(replace(examples, gold=examples.against))
        return TokenRows.of([(row.ids, row.learned) for row in [*chosen, *rejected]], [*examples.ids, *examples.ids])

    def _tokens(self, examples: Examples, asking: WriteAnswering | None = None) -> TokenRows:
        return TokenRows.of([(row.ids, row.learned) for row in self._rendered(examples, asking)], examples.ids)

    def _rendered(self, examples: Examples, asking: WriteAnswering | None = None) -> list[Rendered]:
        """Each row as the model is shown it, with its answer; what is cut of rows that are learned from is told.

        asking: how, where it is another task's.
        """
        asking = asking or self.answering  # type: ignore[assignment]
        assert isinstance(asking, WriteAnswering)
        task = asking.task
        asked = asking.prompted(examples.inputs, examples.ids)
        prompts = [one.messages for one in asked]
        records = (
            (name, {"messages": [*prompt, {"role": "assistant", "content": task.written(gold, value)}]})
            for name, prompt, gold, value in zip(examples.ids, prompts, examples.gold, examples.inputs, strict=True)
        )
        found = render_all(self.model.chat, records, max_length=self.model.max_length, learn="last").check().rows
        if examples is not self.given.validation:
            self._tell_cut([row.cut + one.cut for row, one in zip(found, asked, strict=True)], found)
        return found

    def _tell_cut(self, prompts: Sequence[int], rows: Sequence[Rendered]) -> None:
        """Tell of rows that are too long. prompts: tokens that each row's prompt lost."""
        answers = [row.answer_cut for row in rows]
        cut = sum(prompt > 0 or answer > 0 for prompt, answer in zip(prompts, answers, strict=True))
        if cut:
            broken = {"answers": sum(answer > 0 for answer in answers), "answer_tokens": sum(answers)}
            told = cut_event("rows", len(rows), self.model.max_length, cut, sum(prompts), **broken)
            self.cut = self.cut or told
            self.given.listen(told)

    def score(self) -> Score:
        """Metric and mean loss a token on the validation rows, as the model stands."""
        if isinstance(self.answering, ReadAnswering):
            found = self.answering.answer(self.given.held.inputs)
            value = self.metric.evidence(predictions_of(self.task, self.given.held, found, ())).score()
            nats, tokens = (sum(one[i] for one in found.values) for i in (0, 1))
            return Score(value if self.metric.higher_is_better else -value, nats / max(1, tokens), by_loss=True)
        free = not self.answering.task.choices(self.rows.labels)
        some = self.given.held.select(range(min(WRITTEN, len(self.given.held)))) if free else self.given.held
        scores = None
        if self.chooses:
            scores = self.answering.scores_of(self.answering.prompted(some.inputs, some.ids))
            answers = self._chosen(scores)
        else:
            answers = self.answering.answer(some.inputs, some.ids)
        value = self.metric.evidence(predictions_of(self.task, some, answers, self.rows.labels)).score()
        loss = self._loss(scores)
        return Score(value if self.metric.higher_is_better else -value, loss, by_loss=free)

    def _chosen(self, scores: np.ndarray) -> Answers:
        """Answers of the validation rows from their scores, with what these say is best where the task leaves something to choose."""
        assert isinstance(self.answering, WriteAnswering)
        made: Any = type(self.task)
        self.found = made(self.task.settings).choose(list(scores[:, None]), None, self.given.held)
        self.answering.task = made(self.task.settings.with_(**self.found))
        return self.answering.chosen(scores, self.given.held.inputs)

    def _loss(self, scores: np.ndarray | None) -> float:
        import torch

        if self.held is None:  # nothing is trained: of labels the log loss among them, of free text none is known
            if scores is None:
                return 0.0
            place = {label: i for i, label in enumerate(self.rows.labels)}
            codes = np.array([place[gold] for gold in self.given.held.gold])
            return float(-log_shares(scores)[np.arange(len(codes)), codes].mean())
        with torch.no_grad():
            total = sum(float(self.held.losses(part).sum()) for part in batches(self.held.lengths))
        return total / max(1, sum(self.held.counts))
