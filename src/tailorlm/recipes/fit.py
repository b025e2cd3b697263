"""Fitting a recipe: its stages in order, then its context, into an adaptation that predicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.given import Given
from tailorlm.recipes.fitting.head import fit_head
from tailorlm.recipes.fitting.others import completed
from tailorlm.recipes.fitting.search import fit_search
from tailorlm.recipes.fitting.steps import Fits, Lesson, fit_steps, metric_for
from tailorlm.recipes.fitting.writing import fit_writing
from tailorlm.recipes.schema import Recipe, searches
from tailorlm.tasks.base import Examples
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Listener


def fit(
    recipe: Recipe,
    rows: Examples,
    validation: Examples | None = None,
    *,
    seed: int = 0,
    metric: str | None = None,
    embeddings: EmbeddingView | None = None,
    listen: Listener = lambda event: None,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fit a recipe on the examples of its task.

    validation: rows that stop the training early and score it; without them a trained stage runs all its passes. metric: what
    scores them, the task's first without it.
    embeddings: vectors of the frozen base shared with other fits. checkpoints: where a trained stage is kept while it goes, so that
    an interrupted fit goes on. Raises TailorError for what the base cannot do.
    """
    given = Given(rows, validation, seed, metric, embeddings or EmbeddingView(), listen, checkpoints)
    if recipe.steps:
        return _fit_steps(recipe, given)
    import torch

    torch.manual_seed(seed)  # native heads draw their first weights while loading
    recipe = completed(recipe)
    settle = getattr(recipe.task.make(), "settle", None)
    if settle is not None:
        recipe = recipe.with_task(settle(rows))
    if recipe.written:
        return fit_writing(recipe, given)
    by = fit_search if searches(recipe.task.registry.get(recipe.task.name)) else fit_head
    return by(recipe, given)


def _fit_steps(recipe: Recipe, given: Given) -> Fitted:
    """Fit every step as a recipe of its own, each kept in a folder of its own while it goes."""
    shared: Any = {"seed": given.seed, "embeddings": given.embeddings, "listen": given.listen}

    def fit_step(lesson: Lesson) -> Fitted:
        kept = given.checkpoints
        kept = kept and replace(kept, folder=kept.folder / f"step-{lesson.place + 1}")
        metric = metric_for(lesson, given.metric)
        return fit(lesson.recipe, lesson.rows, lesson.validation, metric=metric, checkpoints=kept, **shared)

    def again(one: Recipe, some: Examples) -> Fitted:
        return fit(one, some, **shared)

    fits = Fits(fit_step, again)
    return fit_steps(recipe, given.rows, given.validation, seed=given.seed, fit=fits, listen=given.listen)
