"""How long a comparison will take, said before it starts, from a second of measuring on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tailorlm.comparison.search import candidates
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold
from tailorlm.models.decoder import load_writer
from tailorlm.models.encoder import load_model
from tailorlm.models.layers import blocks
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks.base import Examples

# Backward costs about twice forward; weights that need no gradient of their own save a third of it.
FULL, FROZEN = 3.0, 2.4
# Early stopping usually ends a fit before its last pass.
EXPECTED_PASSES = 0.75
# Reading the model and the like, seconds a fit.
FIT_OVERHEAD = 0.5


@dataclass(frozen=True)
class Estimate:
    """Expected seconds for each recipe by name, one seed, and what the forward pass of one row takes."""

    seconds: dict[str, float]
    row_seconds: float

    def total(self, seeds: int) -> float:
        """Seconds for all recipes and seeds."""
        return sum(self.seconds.values()) * seeds


def estimate(recipes: Sequence[Recipe], fold: Fold, test: Examples, settings: CompareSettings) -> Estimate:
    """Time the forward pass on a sample of the train rows, then count passes: search, last fit, test rows."""
    row, layers = _row_seconds(recipes[0], fold)
    seconds = {recipe.name: row * _rows(recipe, fold, test, settings, layers) + _overhead(recipe) for recipe in recipes}
    seconds[recipes[0].name] += row * len(set(fold.everything.texts))  # vectors that the others share
    return Estimate(seconds, row)


def _rows(recipe: Recipe, fold: Fold, test: Examples, settings: CompareSettings, layers: int) -> float:
    """Forward passes of single rows that a recipe is worth, backward counted in."""
    trials = len(list(candidates(recipe.grid)))
    last = len(fold.everything) if settings.refit else len(fold.trial)
    fewer = math.sqrt(len(fold.trial) / max(1, len(fold.everything) - len(fold.validation)))
    total = float(len(test))
    for stage in recipe.stages:
        if stage.weights.body_learns:
            passes = stage.train.epochs * EXPECTED_PASSES
            learned = trials * len(fold.trial) + last * min(1.0, fewer)
            total += passes * (learned * _dearness(stage, layers) + trials * len(fold.validation))
    return total


def _dearness(stage: Stage, layers: int) -> float:
    """What training on a row costs, in forward passes."""
    if stage.weights.name == "top_layers":
        # The blocks below run once, not every pass.
        return FULL * min(1.0, float(stage.weights.settings.layers) / layers)
    return FULL if stage.weights.name == "full" else FROZEN


def _overhead(recipe: Recipe) -> float:
    return FIT_OVERHEAD * (len(list(candidates(recipe.grid))) + 1)


def _row_seconds(recipe: Recipe, fold: Fold) -> tuple[float, int]:
    if recipe.written:
        return _row_seconds_written(recipe, fold)
    task = recipe.task.make()
    model = load_model(
        resolve(recipe.base),
        labels=task.outputs(fold.everything.labels),
        pooling=recipe.pooling,
        max_length=task.settings.max_length,
    )
    sample = list(dict.fromkeys(fold.everything.texts))[:64]
    embed(model, sample[:4])
    start = time.perf_counter()
    embed(model, sample)
    return (time.perf_counter() - start) / len(sample), len(blocks(model.body))


def _row_seconds_written(recipe: Recipe, fold: Fold) -> tuple[float, int]:
    """Seconds to read one row with a model that writes; what it writes comes on top, and is not foreseen."""
    model = load_writer(resolve(recipe.base), max_length=recipe.task.settings.max_length)
    sample = [model.chat.tokens.encode(text)[: model.max_length] or [0] for text in fold.everything.texts[:16]]
    import torch

    start = time.perf_counter()
    with torch.inference_mode():
        for row in sample:
            model.next_logits([row])
    return (time.perf_counter() - start) / len(sample), len(blocks(model.body))
