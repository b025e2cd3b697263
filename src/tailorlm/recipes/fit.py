"""Fitting a recipe: its stages in order, then its context, into an adaptation that predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.layers import below_top
from tailorlm.models.resolve import resolve
from tailorlm.models.run import EmbeddingView, embed, label_scores
from tailorlm.models.trunk import Trunk, frozen_trunk
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks.classify import Labelled
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Job, Listener, Score, Trained
from tailorlm.training.lesson import LabelLesson, Source
from tailorlm.training.loop import train
from tailorlm.training.source import TokenSource, TrunkSource, VectorSource

# On fewer validation rows than this the standard error of an accuracy is five points or more, and passes and rates are chosen by
# log loss, which every row moves.
FEW_ROWS = 100


@dataclass
class Fitted:
    """A fitted recipe with what the fit left behind.

    adaptation: the thing that predicts. trained: the loop's record of each trained stage. trainable: parameters that
    learnt (weights of a classical classifier included). score: on the validation rows, where there were any.
    """

    adaptation: Adaptation
    trained: list[Trained]
    trainable: int
    score: Score | None

    @property
    def earlier(self) -> float:
        """Seconds of training in sittings before this one, where the fit went on from a checkpoint."""
        return sum(trained.earlier for trained in self.trained)


def fit(
    recipe: Recipe,
    rows: Labelled,
    validation: Labelled | None = None,
    *,
    seed: int = 0,
    metric: str = "accuracy",
    embeddings: EmbeddingView | None = None,
    listen: Listener = lambda event: None,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fit a recipe on labelled rows.

    validation: rows that stop the training early and score it; without them a trained stage runs all its passes. metric: what
    scores them.
    embeddings: vectors of the frozen base shared with other fits. checkpoints: where a trained stage is kept while it goes, so that
    an interrupted fit goes on. Raises TailorError for what the base cannot do.
    """
    import torch

    torch.manual_seed(seed)  # native heads draw their first weights while loading
    task = recipe.task.make()
    model = load_model(
        resolve(recipe.base), labels=rows.labels, pooling=recipe.pooling, max_length=task.settings.max_length
    )
    fitting = _Fitting(
        model, rows, validation, metric_of(metric), seed, embeddings or EmbeddingView(), listen, checkpoints
    )
    parts = [fitting.stage(stage) for stage in recipe.stages]
    if recipe.context is not None:
        fitting.context(recipe.context.make(), task.label_texts(rows.labels))
    adaptation = Adaptation(recipe, model, parts, rows.labels)
    score = None
    if validation is not None:
        # The loop's score is that of the trained head: a classifier or a context put behind it answers instead.
        trained_last = recipe.context is None and recipe.stages[-1].weights.trains
        score = (fitting.trained[-1].best if trained_last else None) or fitting.score()
    return Fitted(adaptation, fitting.trained, fitting.trainable, score)


@dataclass
class _Fitting:
    model: TextModel
    rows: Labelled
    validation: Labelled | None
    metric: Metric
    seed: int
    embeddings: EmbeddingView
    listen: Listener
    checkpoints: Checkpoints | None

    def __post_init__(self) -> None:
        self.trained: list[Trained] = []
        self.trainable = 0
        self.frozen = True  # whether the body still is the base's own
        self.held: TrunkSource | None = None  # the validation rows, while a stage learns above a frozen trunk

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Pooled vectors: shared ones while the body is the base's own, fresh ones after it learnt."""
        if self.frozen:
            return self.embeddings.take(self.model, texts)
        return embed(self.model, texts)

    def stage(self, stage: Stage) -> Any:
        part = stage.weights.make()
        if not part.trains:
            head = part.fit(self.vectors(self.rows.texts), self.rows.codes, len(self.rows.labels), self.seed)
            self.model.head = head.to(self.model.device)
            self.trainable = sum(p.numel() for p in head.parameters())
            return part
        if self.model.pooling != "native":
            self.model.head = self._start_of_head(part.settings.head_start).to(self.model.device)
        names = part.attach(self.model)
        shapes = dict(self.model.named_parameters())
        self.trainable = sum(shapes[name].numel() for name in names)
        source = self._source(names)
        lesson = LabelLesson(source, stage.objective.make(), self.rows.codes)
        job = Job(
            lesson, names, self.rows.ids, stage.train, part.settings.lr, self.seed, base=self.model.base.fingerprint
        )
        if stage.train.layer_decay != 1:
            job.rates = self._rates(names, stage.train.layer_decay)
        validate = self.score if self.validation is not None else None
        self.trained.append(train(job, validate=validate, listen=self.listen, checkpoints=self.checkpoints))
        part.release()
        self.held = None
        self.model.requires_grad_(False)
        return part

    def _source(self, names: Sequence[str]) -> Source:
        """Where scores come from, computing no more than what learns: the head on vectors, blocks on states, or the whole model."""
        body_learns = any(not name.startswith("head.") for name in names)
        if self.frozen and not body_learns:
            return VectorSource(self.model, self.vectors(self.rows.texts))
        trunk = frozen_trunk(self.model, names) if self.frozen else None
        self.frozen = False
        if trunk is None:
            return TokenSource(self.model, self.rows.texts)
        source = self._from_trunk(trunk, self.rows.texts)
        # Once for all passes, and behind the train rows: states differ in the last bit with the texts of a batch.
        self.held = self._from_trunk(trunk, self.validation.texts) if self.validation is not None else None
        return source

    def _from_trunk(self, trunk: Trunk, texts: Sequence[str]) -> TrunkSource:
        self.embeddings.states(trunk, texts)  # all at once: sorted by length, and counted before the first step
        return TrunkSource(trunk, texts, lambda some: self.embeddings.states(trunk, some))

    def _rates(self, names: Sequence[str], decay: float) -> dict[str, float]:
        above = {f"body.{name}": n for name, n in below_top(self.model.body).items()}
        return {name: decay ** above.get(name, 0) for name in names if above.get(name, 0)}

    def context(self, context: Any, label_texts: list[str]) -> None:
        labels = len(self.rows.labels)
        if context.needs_rows:
            head = context.head(self.vectors(context.texts(self.rows.texts)), self.rows.codes, labels)
        else:
            head = context.head(self.vectors(context.texts(label_texts)), np.arange(labels), labels)
        self.model.head = head.to(self.model.device)

    def score(self) -> Score:
        """Metric and mean log loss on the validation rows, as the model stands."""
        import torch

        assert self.validation is not None
        if self.frozen and self.model.head is not None:
            with torch.inference_mode():
                scores = (
                    self.model.head(torch.from_numpy(self.vectors(self.validation.texts)).to(self.model.device))
                    .cpu()
                    .numpy()
                )
        elif self.held is not None:
            scores = self.held.all_scores()
        else:
            scores = label_scores(self.model, self.validation.texts)
        codes = self.validation.codes
        shifted = scores - scores.max(1, keepdims=True)
        log_loss = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(codes)), codes]
        value = self.metric.score(codes, scores.argmax(1).astype(np.int64), scores.shape[1])
        return Score(
            value if self.metric.higher_is_better else -value, float(log_loss.mean()), by_loss=len(codes) < FEW_ROWS
        )

    def _start_of_head(self, start: str) -> Linear:
        import torch

        labels, dropout = len(self.rows.labels), float(getattr(self.model.config, "hidden_dropout_prob", 0.1) or 0.0)
        if start == "random" or not self.frozen:
            return Linear.fresh(
                self.model.width, labels, dropout=dropout, generator=torch.Generator().manual_seed(self.seed)
            )
        return probe(self.vectors(self.rows.texts), self.rows.codes, labels, dropout)


def probe(vectors: np.ndarray, codes: np.ndarray, labels: int, dropout: float) -> Linear:
    """A head that begins as logistic regression on the frozen vectors (Kumar et al. 2022, arXiv:2202.10054).

    vectors: (rows, width), as pooled; codes: (rows,). The regression is fitted on vectors of length one; dividing its weights by
    the mean length lets the head read the pooled vector itself.
    """
    import torch

    from tailorlm.weights.features import Features

    scale = float(np.linalg.norm(vectors, axis=1).mean()) or 1.0
    head = Features(Features.Settings(classifier="logistic", c=10.0)).fit(vectors, codes, labels, seed=0)
    with torch.no_grad():
        return Linear(head.weight / scale, head.bias, dropout=dropout)
