"""What a recipe is fitted on and with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorlm.evaluation.metrics import Metric, metric_of
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.contents import contents
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import PLACE, Job, Listener, Score, Trained
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

    def told(self, recipe: Recipe, number: int) -> dict[str, dict[str, Any]]:
        """What decides what stage `number` (from 1) leaves besides rows, base and the job's own settings, for `Job.parts`.

        The stage and those before as written, the recipe's own settings, what files and teachers of all these hold, and what judges the passes.
        """
        stage, later = recipe.stages[number - 1], tuple(f"stages.{i}." for i in range(number, len(recipe.stages)))
        before = {
            f"stage {i}": _dotted(one.model_dump(mode="json", exclude={"train": PLACE}))
            for i, one in enumerate(recipe.stages[: number - 1], 1)
        }
        return before | {
            "weights": stage.weights.plain() | {"anew": stage.anew},
            "objective": stage.objective.plain(),
            "recipe": _dotted(recipe.model_dump(mode="json", include={"pooling", "answers", "task", "context"})),
            "contents": {key: held for key, held in contents(recipe).items() if not key.startswith(later)},
            "validation": {
                "rows": self.validation.fingerprint if self.validation is not None else None,
                "metric": self.judge(recipe).name,
            },
        }

    def judge(self, recipe: Recipe) -> Metric:
        """What scores the validation rows."""
        return metric_of(self.metric or recipe.task.make().metrics[0])


def _dotted(value: Any, at: str = "") -> dict[str, Any]:
    """Nested settings as one level of dotted keys, so that a message can name the one that differs."""
    if not isinstance(value, Mapping):
        return {at: value}
    return {
        key: one for name, inner in value.items() for key, one in _dotted(inner, f"{at}.{name}".lstrip(".")).items()
    }
