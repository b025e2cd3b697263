"""What a recipe is fitted on and with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Job, Listener, Score, Trained
from tailorlm.training.loop import train


@dataclass(frozen=True)
class Given:
    """The rows of a fit, and what goes with them; `recipes.fit.fit` says what each is."""

    rows: Examples
    validation: Examples | None = None
    seed: int = 0
    metric: str | None = None
    embeddings: EmbeddingView = field(default_factory=EmbeddingView)
    listen: Listener = lambda event: None
    checkpoints: Checkpoints | None = None

    @property
    def held(self) -> Examples:
        """The validation rows, of a fit that has some."""
        assert self.validation is not None
        return self.validation

    def train(self, job: Job, stage: int, validate: Callable[[], Score] | None) -> Trained:
        """Run the job of a stage (from 1), kept while it goes where the fit is."""
        kept = self.checkpoints.of_stage(stage) if self.checkpoints is not None else None
        return train(job, validate=validate, listen=self.listen, checkpoints=kept)

    def judge(self, recipe: Recipe) -> Metric:
        """What scores the validation rows."""
        return metric_of(self.metric or recipe.task.make().metrics[0])
