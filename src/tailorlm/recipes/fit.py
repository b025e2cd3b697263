"""Fitting a recipe: its stages in order, then its context, into an adaptation that predicts."""

from __future__ import annotations

from dataclasses import replace

from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.fitting.fitted import Fitted
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
    if recipe.steps:
        return _fit_steps(recipe, rows, validation, seed, metric, embeddings, listen, checkpoints)
    import torch

    torch.manual_seed(seed)  # native heads draw their first weights while loading
    recipe = completed(recipe)
    settle = getattr(recipe.task.make(), "settle", None)
    if settle is not None:
        recipe = recipe.with_task(settle(rows))
    if recipe.written:
        return fit_writing(recipe, rows, validation, seed=seed, metric=metric, listen=listen, checkpoints=checkpoints)
    by = fit_search if searches(recipe.task.registry.get(recipe.task.name)) else fit_head
    return by(
        recipe,
        rows,
        validation,
        seed=seed,
        metric=metric,
        embeddings=embeddings,
        listen=listen,
        checkpoints=checkpoints,
    )


def _fit_steps(
    recipe: Recipe,
    rows: Examples,
    validation: Examples | None,
    seed: int,
    metric: str | None,
    embeddings: EmbeddingView | None,
    listen: Listener,
    checkpoints: Checkpoints | None,
) -> Fitted:
    """Fit every step as a recipe of its own, each kept in a folder of its own while it goes."""

    def fit_step(lesson: Lesson) -> Fitted:
        kept = checkpoints and replace(checkpoints, folder=checkpoints.folder / f"step-{lesson.place + 1}")
        return fit(
            lesson.recipe,
            lesson.rows,
            lesson.validation,
            seed=seed,
            metric=metric_for(lesson, metric),
            embeddings=embeddings,
            listen=listen,
            checkpoints=kept,
        )

    def again(one: Recipe, some: Examples) -> Fitted:
        return fit(one, some, seed=seed, embeddings=embeddings, listen=listen)

    return fit_steps(recipe, rows, validation, seed=seed, fit=Fits(fit_step, again), listen=listen)
