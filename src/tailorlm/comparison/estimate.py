"""How long a comparison will take, said before it starts, from a second of measuring on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tailorlm.comparison.search import candidates
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold
from tailorlm.models.encoder import load_model
from tailorlm.models.layers import blocks
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.classify import Labelled

# Backward costs about twice forward; weights that need no gradient of their own save a third of it.
FULL, FROZEN = 3.0, 2.4
# Early stopping usually ends a fit before its last pass.
EXPECTED_PASSES = 0.75


@dataclass(frozen=True)
class Estimate:
    """Expected seconds for each recipe by name, one seed, and what the forward pass of one row takes."""

    seconds: dict[str, float]
    row_seconds: float

    def total(self, seeds: int) -> float:
        """Seconds for all recipes and seeds."""
        return sum(self.seconds.values()) * seeds


def estimate(recipes: Sequence[Recipe], fold: Fold, test: Labelled, settings: CompareSettings) -> Estimate:
    """Time the forward pass on a sample of the train rows, then count passes: search, last fit, test rows."""
    row, layers = _row_seconds(recipes[0], fold)
    shared = len(set(fold.everything.texts)) * row
    seconds = {}
    for number, recipe in enumerate(recipes):
        trained = [stage for stage in recipe.stages if stage.weights.trains]
        passes = sum(stage.train.epochs * _factor(stage.weights.name, layers) for stage in trained) * EXPECTED_PASSES
        trials = len(list(candidates(recipe.grid)))
        rows = trials * len(fold.trial) + (len(fold.everything) if settings.refit else len(fold.trial))
        checks = (
            trials
            * len(fold.validation)
            * sum(stage.train.epochs for stage in trained if _factor(stage.weights.name, layers))
            * EXPECTED_PASSES
        )
        seconds[recipe.name] = (
            row * (rows * passes + checks + len(test)) + (shared if number == 0 else 0) + 0.5 * (trials + 1)
        )
    return Estimate(seconds, row)


def _row_seconds(recipe: Recipe, fold: Fold) -> tuple[float, int]:
    task = recipe.task.make()
    model = load_model(
        resolve(recipe.base), labels=fold.everything.labels, pooling=recipe.pooling, max_length=task.settings.max_length
    )
    sample = list(dict.fromkeys(fold.everything.texts))[:64]
    embed(model, sample[:4])
    start = time.perf_counter()
    embed(model, sample)
    return (time.perf_counter() - start) / len(sample), len(blocks(model.body))


def _factor(part: str, layers: int) -> float:
    if part == "head":
        return 0.0  # vectors are computed once
    if part == "top_layers":
        return 1.0 + 2.0 * min(1.0, 2 / layers)
    return FULL if part == "full" else FROZEN
