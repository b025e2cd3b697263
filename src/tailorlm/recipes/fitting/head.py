"""Fitting a recipe that a head answers: its stages in order, then its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics import Metric
from tailorlm.models.encoder import load_model
from tailorlm.models.heads import Head
from tailorlm.models.layers import below_top
from tailorlm.models.resolve import resolve
from tailorlm.models.run import scores_of, vectors_of
from tailorlm.models.trunk import frozen_trunk
from tailorlm.objectives.labels import Labels
from tailorlm.recipes.adaptation import Adaptation, Another
from tailorlm.recipes.answering.head import HeadAnswering, predictions_of
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.given import Given
from tailorlm.recipes.fitting.head_start import chained, labelled, start_of_head
from tailorlm.recipes.fitting.lessons import Ground, lesson_for
from tailorlm.recipes.fitting.old import StageScene
from tailorlm.recipes.fitting.others import Others
from tailorlm.recipes.fitting.seen import cut_event, of_label, of_tokens
from tailorlm.recipes.forgotten import limits_of
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.recipes.stack import Stack
from tailorlm.tasks.base import Examples, HeadTask, Target
from tailorlm.tasks.readings import Readings
from tailorlm.training.checks import learnt_from
from tailorlm.training.job import Event, Job, Score, Shown, Told, Trained
from tailorlm.training.lesson import IGNORED, Source
from tailorlm.training.mixture import of_rows
from tailorlm.training.source import TokenSource, TrunkSource, VectorSource
from tailorlm.weights.features import PAIRS

if TYPE_CHECKING:
    from torch import Tensor, nn

# On fewer validation rows than this the standard error of an accuracy is five points or more, and passes and rates are chosen by
# log loss, which every row moves.
FEW_ROWS = 100
# Links between labels are a few numbers near 1, far from what the rate of a whole body could move in some hundred steps.
LINKS_RATE = 1e-2


def fit_head(recipe: Recipe, given: Given) -> Fitted:
    """Fit a recipe that a head answers. Raises TailorError for what the base or the head cannot do."""
    task = recipe.task.make()
    if recipe.context is not None and recipe.context.name == "prompt":
        raise TailorError("a prompt is for models that write", hint="answers: written, with a base that writes")
    pooling = "tokens" if task.tokens else recipe.pooling
    limit = task.settings.max_length
    base = resolve(recipe.base, recipe.quantise, recipe.layers)
    model = load_model(base, labels=task.outputs(given.rows.labels), pooling=pooling, max_length=limit)
    answering = HeadAnswering(task, model, given.rows.labels)
    fitting = _Fitting(recipe, answering, given, given.judge(recipe))
    parts = recipe.parts()
    for number, (stage, part) in enumerate(zip(recipe.stages, parts, strict=True), 1):
        fitting.stage(stage, part, number)
    fitting.stack.settle()
    fitting.stack.release()
    if recipe.context is not None:
        fitting.context(recipe.context.make())
    score = None
    if given.validation is not None:
        # The loop's score is that of the trained head: a classifier or a context put behind it answers instead. What validation rows
        # decide is decided on the weights that are kept.
        trained_last = recipe.context is None and recipe.stages[-1].weights.trains and not hasattr(task, "choose")
        score = (fitting.trained[-1].best if trained_last else None) or fitting.score()
    others = [Another(one.name, one.part, one.by_head(model)) for one in fitting.others.learnt]
    adaptation = Adaptation(recipe.with_task(fitting.found), answering, fitting.stack, others)
    counted, told = sum(fitting.stack.counted.values()), fitting.others.told()
    return Fitted(adaptation, fitting.trained, counted, score, fitting.found, told, cut=fitting.cut)


@dataclass
class _Fitting:
    recipe: Recipe
    answering: HeadAnswering
    given: Given
    metric: Metric

    def __post_init__(self) -> None:
        self.rows = self.given.rows
        self.task, self.model = self.answering.task, self.answering.model
        self.cut: Event = {}
        self._read_rows()
        self.trained: list[Trained] = []
        self.found: dict[str, Any] = {}  # settings of the task that the validation rows decided
        self.frozen = True  # whether the body still is the base's own
        self.stack = Stack(self.model)
        self.headed = False  # whether the head has learnt the task's answers from the body as it is
        self.others = Others(self.recipe, self.rows.held_out)
        self.held: TrunkSource | None = None  # the validation rows, while a stage learns above a frozen trunk

    def _read(self, examples: Examples) -> Readings:
        return self.answering.read(examples.inputs)

    def _read_rows(self) -> None:
        """Read the train rows, and tell which are too long."""
        self.readings = self._read(self.rows)
        self.targets = self.task.targets(self.readings, self.rows)
        rows, tokens = self.answering.left_out(self.rows.inputs, self.readings)
        if rows:
            told = cut_event("texts", len(self.rows), self.model.max_length, rows, tokens)
            self.cut = told
            self.given.listen(told)

    def _read_again(self) -> None:
        """Read all rows as they are read from here on."""
        self._read_rows()
        self.__dict__.pop("judged", None)
        for other in self.others.learnt:
            other.meet(self.model)

    def _read_pairs(self, part: Any) -> None:
        """Read the texts of pairs by themselves from here on, where the part wants that."""
        wanted = getattr(part.settings, PAIRS, None) == "bi_encoder"
        if wanted and getattr(self.task.settings, "second", None) is not None:
            self.answering.apart = True
            self._read_again()

    @cached_property
    def judged(self) -> tuple[Readings, list[np.ndarray]]:
        """Readings and targets of the validation rows."""
        readings = self._read(self.given.held)
        return readings, self.task.targets(readings, self.given.held)

    def vectors(self, readings: Readings) -> list[np.ndarray]:
        """What a head reads: shared vectors while the body is the base's own, fresh ones after it learnt."""
        if self.frozen:
            return self.given.embeddings.vectors(self.model, readings)
        return vectors_of(self.model, readings)

    def stage(self, stage: Stage, part: Any, number: int) -> None:
        """Fit one stage, the number-th (from 1). part: the stage's own, which the stage before may have begun to train."""
        if not part.trains:
            self._read_pairs(part)
            counts = [int((np.atleast_1d(row) != IGNORED).sum()) for row in self.targets]
            self.given.listen(Told(learnt_from(counts, self.readings.lengths, 0), self.rows.ids[0], self._example()))
            head = part.fit(*self._labelled_vectors(), len(self.task.outputs(self.rows.labels)), self.given.seed)
            self.model.head = self._chained(head).to(self.model.device)
            self.stack.counted |= {f"head.{name}": p.numel() for name, p in self.model.head.named_parameters()}
            return
        limits = limits_of(self.model, stage.penalties)
        self._meet(stage, number)
        names = self._learning(stage, part)
        for other in self.others.of(number):
            self.stack.counted |= {f"{other.name}: {name}": p.numel() for name, p in other.head.named_parameters()}
        job = self._job(stage, names, number)
        own = [name for name in names if name in set(job.trainable)]
        job.rates, later = rates_of(part, own, self.model.body, stage.train.layer_decay), part.begins(self.model, own)
        links = [name for name in job.trainable if name.endswith(".links")]
        job.rates |= dict.fromkeys(links, max(1.0, LINKS_RATE / job.lr))
        job.begins = {name: max(job.begins.get(name, 0), later.get(name, 0)) for name in {*job.begins, *later}}
        named = of_rows(job.order)
        scene = StageScene(self.model, self.task, own, self.rows, self.others.earlier(number))
        for penalty in stage.penalties:
            if penalty.acts_on == "rows":
                job = scene.rehearsed(job, penalty.settings)
        job.penalties = [penalty.make().begin(scene) for penalty in stage.penalties if penalty.acts_on == "loss"]
        job.held, job.limits = [penalty.plain() for penalty in stage.penalties], limits
        validate = self.score if self.given.validation is not None and stage.objective.answers else None
        self.trained.append(self.given.train(job, len(self.trained) + 1, validate))
        if not named:  # rows drawn anew in every pass: none of them has a name
            self.trained[-1].ids, self.trained[-1].row_losses = (), np.zeros(0)
        self.headed = stage.objective.answers
        self.held = None
        self.model.requires_grad_(False)
        for other in self.others.learnt:
            other.head.requires_grad_(False).eval()
            other.after[number] = other.score(other.by_head(self.model))

    def _learning(self, stage: Stage, part: Any) -> list[str]:
        """Make what learns trainable, the head at its start; returns the names."""
        if self.model.pooling != "native" and not self.headed:
            start = stage.weights.settings.head_start if stage.objective.answers else "random"
            outputs = len(self.task.outputs(self.rows.labels))
            self.model.head = self._begun(self.task, outputs, self.readings, self.targets, start)
        if self.model.head is not None:
            self.model.head.requires_grad_(True)
        room = self.model.max_length
        names = self.stack.begin(part)
        if self.model.max_length < room:  # the part stands in front of the text, which has less room from here on
            self._read_again()
        return names

    def _begun(
        self, task: HeadTask, outputs: int, readings: Readings, targets: Sequence[np.ndarray], start: str
    ) -> Head:
        """A head of a task where it begins to learn."""
        vectors, seed = partial(self.vectors, readings), self.given.seed
        head = start_of_head(self.model, task, outputs, targets, vectors, start=start, seed=seed)
        return head.to(self.model.device)

    def _meet(self, stage: Stage, number: int) -> None:
        """Begin the heads of the stage's other tasks, and score those that are new as they stand."""
        for other in self.others.of(number):
            if other.head is None:
                other.meet(self.model)
                start = stage.weights.settings.head_start
                other.head = self._begun(other.task, other.outputs, other.readings, other.targets, start)
                other.before = other.score(other.by_head(self.model))
            other.learnt.append(number)

    def _job(self, stage: Stage, names: list[str], number: int) -> Job:
        """What the loop is to do in this stage."""
        ground = Ground(
            self.model,
            self.task,
            self.rows,
            self.readings,
            self.targets,
            names,
            self.given.seed,
            stage.train,
            self._source,
            self.given.embeddings,
            self.others.of(number),
        )
        made = lesson_for(stage.objective.learns_from)(ground, stage.objective.make())
        of_text = stage.objective.learns_from in ("text", "task")
        self.frozen = self.frozen and not ground.body
        lr, base = stage.weights.settings.lr, self.model.base.fingerprint
        last = stage.train.epochs - 1  # in which all learn, however long a warm-up was asked for
        begins = {name: min(epoch, last) for name, epoch in made.begins.items()}
        return Job(
            made.lesson,
            made.names,
            made.ids,
            stage.train,
            lr,
            self.given.seed,
            order=made.order,
            begins=begins,
            base=base,
            parts=self.given.told(self.recipe, number),
            example=of_tokens(made.lesson, self.model.tokenizer.decode) if of_text else self._example(),
        )

    def _example(self) -> Shown:
        """The first row as the model reads it, with its answer."""
        task: Any = self.task
        label = task.written(self.rows.gold[0], self.rows.inputs[0])
        return of_label(self.readings.tokens[0], label, self.model.tokenizer.decode)

    def _source(self, names: Sequence[str]) -> Source:
        """Where scores come from, computing no more than what learns: the head on vectors, blocks on states, or the whole model."""
        body_learns = any(not name.startswith("head.") for name in names)
        if self.frozen and not body_learns:
            return VectorSource(self.model, self.vectors(self.readings))
        trunk = frozen_trunk(self.model, names) if self.frozen else None
        self.frozen = False
        if trunk is None:
            return TokenSource(self.model, self.readings)
        source = TrunkSource(self.given.embeddings.states(trunk, self.readings))
        # Once for all passes, and behind the train rows: states differ in the last bit with the texts of a batch.
        if self.given.validation is not None:
            self.held = TrunkSource(self.given.embeddings.states(trunk, self.judged[0]))
        return source

    def _labelled_vectors(self) -> tuple[np.ndarray, np.ndarray]:
        return labelled(self.vectors(self.readings), self.targets, self.task.target)

    def _chained(self, head: Head) -> Head:
        """The head, with links as the train rows have them where the task has a chain."""
        return chained(head, self.task, len(self.task.outputs(self.rows.labels)), self.targets, counted=True)

    def context(self, context: Any) -> None:
        labels = len(self.task.outputs(self.rows.labels))
        if context.needs_rows:
            head = context.head(*self._labelled_vectors(), labels)
        else:
            texts = context.texts(self._words_for_labels())
            vectors = self.vectors(Readings(self.model.tokenize(texts)))
            head = context.head(np.concatenate(vectors), np.arange(labels), labels)
        self.model.head = self._chained(head).to(self.model.device)

    def _words_for_labels(self) -> list[str]:
        label_texts = getattr(self.task, "label_texts", None)  # a task may have no words for its labels
        if label_texts is None or self.task.tokens or self.task.target != "one":
            raise TailorError(
                "label names alone cannot answer this task through an encoder",
                hint="leave zero-shot out, or take a base model that writes",
            )
        words: list[str] = label_texts(self.rows.labels)
        return words

    def score(self) -> Score:
        """Metric and mean loss on the validation rows, as the model stands."""
        readings, targets = self.judged
        scores = self._validation_scores(readings)
        self._choose(scores, readings)
        answers = self.answering.decode(scores, readings, self.given.held.inputs)
        predictions = predictions_of(self.task, self.given.held, answers, self.rows.labels)
        value = self.metric.evidence(predictions).score()
        loss = _mean_loss(scores, targets, readings.sizes, self.task.target, getattr(self.model.head, "links", None))
        few = len(self.given.held) < FEW_ROWS
        return Score(value if self.metric.higher_is_better else -value, loss, by_loss=few)

    def _choose(self, scores: Sequence[np.ndarray], readings: Readings) -> None:
        """Answer with what these scores of the validation rows say is best, where the task leaves something to choose."""
        choose = getattr(self.task, "choose", None)
        if choose is not None:
            self.found = choose(scores, readings, self.given.held, votes=self.answering.votes)
            made: Any = type(self.task)
            self.answering.task = made(self.task.settings.with_(**self.found))

    def _validation_scores(self, readings: Readings) -> list[np.ndarray]:
        import torch

        if self.frozen and self.model.head is not None:
            vectors = self.vectors(readings)
            with torch.inference_mode():
                table = self.model.head(torch.from_numpy(np.concatenate(vectors)).to(self.model.device)).cpu().numpy()
            return np.split(table, np.cumsum(readings.sizes)[:-1])
        return self.held.all_scores() if self.held is not None else scores_of(self.model, readings)


def rates_of(part: Any, names: Sequence[str], body: nn.Module, decay: float) -> dict[str, float]:
    """Factors on the learning rate that are not 1: what the part says, times what the block's place in the body says."""
    rates: dict[str, float] = part.rates(names)
    if decay != 1:
        above = {f"body.{name}": n for name, n in below_top(body).items()}
        rates |= {name: rates.get(name, 1.0) * decay ** above[name] for name in names if above.get(name, 0)}
    return rates


def _mean_loss(
    scores: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    sizes: Sequence[int],
    target: Target,
    links: Tensor | None = None,
) -> float:
    """Mean loss a label, nats, of scores as they stand."""
    import torch

    labels = sum(int((row != IGNORED).sum()) if target == "one" else len(row) for row in targets)
    given = torch.from_numpy(np.concatenate(scores)).double()
    wanted = torch.from_numpy(np.concatenate([np.atleast_1d(row) for row in targets]))
    links = links.detach().cpu() if links is not None else None
    losses = Labels(Labels.Settings()).losses(given, wanted, target, torch.tensor(sizes), links)
    return float(losses.sum()) / max(1, labels)
