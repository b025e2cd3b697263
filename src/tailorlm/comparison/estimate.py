"""How long a comparison will take, said before it starts, from a second of measuring on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tailorlm.comparison.search import candidates
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold
from tailorlm.models.answers import Writing
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.encoder import load_model
from tailorlm.models.generate import write
from tailorlm.models.layers import blocks
from tailorlm.models.resolve import HOSTED, resolve
from tailorlm.models.run import embed
from tailorlm.recipes.answering.searching import SearchAnswering, search_of
from tailorlm.recipes.answering.writing import prompt_limit, shown_by
from tailorlm.recipes.contents import files_of
from tailorlm.recipes.fitting.search import judged_pool
from tailorlm.recipes.fitting.writing import WRITTEN
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks.base import Examples

# Backward costs about twice forward; weights that need no gradient of their own save a third of it.
FULL, FROZEN = 3.0, 2.4
# Early stopping usually ends a fit before its last pass.
EXPECTED_PASSES = 0.75
# Reading the model and the like, seconds a fit.
FIT_OVERHEAD = 0.5
# An answer of an endpoint, several being asked at once.
HOSTED_SECONDS = 0.5
# What a byte of a packed file is worth.
PACKED = 3
# Labels of a step, whose own are not looked up for this.
UNKNOWN = ("one", "other")


@dataclass(frozen=True)
class Estimate:
    """Expected seconds for each recipe by name, one seed, and what the forward pass of one row takes."""

    seconds: dict[str, float]
    row_seconds: float

    def total(self, seeds: int) -> float:
        """Seconds for all recipes and seeds."""
        return sum(self.seconds.values()) * seeds


def estimate(recipes: Sequence[Recipe], fold: Fold, test: Examples, settings: CompareSettings) -> Estimate:
    """Time the forward pass on a sample of the train rows, and a few answers where they are written; then count passes: search, last
    fit, test rows. Endpoints are not called: an answer of theirs counts `HOSTED_SECONDS`.
    """
    paces: dict[tuple[str, bool, bool], Pace] = {}

    def needed(recipe: Recipe, *, own: bool) -> float:
        key = (recipe.base, recipe.written, own)
        if key not in paces:
            paces[key] = _pace(recipe, fold, own=own)
        return _seconds(recipe, fold, test, settings, paces[key])

    seconds = {}
    for recipe in recipes:  # of steps as if every row came to each
        steps = [needed(step.recipe, own=False) for step in recipe.steps]
        seconds[recipe.name] = sum(steps) if steps else needed(recipe, own=True)
    first = recipes[0]
    row = next(iter(paces.values())).row
    if not first.written and not first.steps and not test.pool:
        seconds[first.name] += row * len(set(fold.everything.texts))  # vectors that the others share
    return Estimate(seconds, row)


@dataclass(frozen=True)
class Pace:
    """What a base takes. row: seconds to read a row; answer: to write one behind its prompt, 0 where nothing is written. layers: blocks."""

    row: float
    layers: int
    answer: float = 0.0


def _seconds(recipe: Recipe, fold: Fold, test: Examples, settings: CompareSettings, pace: Pace) -> float:
    trained = [stage for stage in recipe.stages if stage.weights.body_learns]
    if test.pool:
        return _searched(recipe, fold, test, settings, pace) + _overhead(recipe)
    reads = pace.row * _rows(recipe, fold, test, settings, pace.layers) * _longer(recipe)
    if not recipe.written or not pace.answer:
        return reads + _overhead(recipe)
    trials = len(list(candidates(recipe.grid))) if trained or recipe.grid else 0
    passes = sum(stage.train.epochs for stage in trained) * EXPECTED_PASSES if trained else 1
    asked = len(test) + trials * passes * min(WRITTEN, len(fold.validation))
    # What is shown is read once for an answer; writing takes what it takes.
    return reads + asked * (pace.answer + pace.row * (_longer(recipe) - 1)) + _overhead(recipe)


def _searched(recipe: Recipe, fold: Fold, test: Examples, settings: CompareSettings, pace: Pace) -> float:
    """Of a recipe that searches: queries and passages are learned from in pairs, and a pool is read for each validation and at the end."""
    search = search_of(recipe)
    if search.retriever == "bm25":
        return 0.0
    judged = len(judged_pool(fold.validation)) + len(fold.validation)
    trials, epochs = len(list(candidates(recipe.grid))), 0.0
    for stage in recipe.stages:
        epochs += stage.train.epochs * EXPECTED_PASSES if stage.weights.body_learns else 0
    validations = trials * epochs * judged / 2
    return pace.row * (_rows(recipe, fold, test, settings, pace.layers) + validations + len(test.pool) / 2)


def _longer(recipe: Recipe) -> float:
    """How much longer prompts are by what is shown in them: an example is about a row, a passage about three."""
    if not recipe.written:
        return 1.0
    shown = shown_by(recipe)
    examples = float(shown.examples.settings.k) if shown.examples is not None else 0.0
    return 1.0 + examples + 3.0 * (shown.search.k if shown.passages else 0)


def _rows(recipe: Recipe, fold: Fold, test: Examples, settings: CompareSettings, layers: int) -> float:
    """Forward passes of single rows that a recipe is worth, backward counted in."""
    trials = len(list(candidates(recipe.grid)))
    last = len(fold.everything) if settings.refit else len(fold.trial)
    fewer = math.sqrt(len(fold.trial) / max(1, len(fold.everything) - len(fold.validation)))
    total, texts = float(len(test)), fold.everything.texts
    size = sum(len(text.encode()) for text in texts) / max(1, len(texts))
    for stage in recipe.stages:
        if stage.weights.body_learns:
            passes = stage.train.epochs * EXPECTED_PASSES
            tried, all_of_them = (_lesson(stage, rows, size) for rows in (len(fold.trial), last))
            learned = trials * tried + all_of_them * min(1.0, fewer)
            total += passes * (learned * _dearness(stage, layers) + trials * len(fold.validation))
    return total


def _lesson(stage: Stage, own: int, size: float) -> float:
    """Rows that a pass learns from: the own ones, or what a file of texts or of other tasks is worth, counted in rows of `size` bytes."""
    objective, settings = stage.objective.make(), stage.objective.settings
    kind = stage.objective.learns_from
    if kind == "text" and settings.text:
        return _worth(settings.text, size) + own * bool(getattr(settings, "with_rows", False))
    if kind == "task":
        return sum(_worth(other.rows, size) for other in objective.others)
    if kind == "tasks":
        drawn: list[int] = objective.draws([own, *(max(1, round(_worth(one.rows, size))) for one in objective.others)])
        return float(sum(drawn))
    return 2.0 * own if kind == "domains" else own


def _worth(file: str, size: float) -> float:
    """How many rows of so many bytes a file or folder is worth; 0 for one that is not there, which the fit refuses."""
    total = sum(one.stat().st_size * (PACKED if one.suffix == ".gz" else 1) for one in files_of(file))
    return total / max(1.0, size)


def _dearness(stage: Stage, layers: int) -> float:
    """What training on a row costs, in forward passes."""
    if stage.weights.name == "top_layers":
        # The blocks below run once, not every pass.
        return FULL * min(1.0, float(stage.weights.settings.layers) / layers)
    return FULL if stage.weights.name == "full" else FROZEN


def _overhead(recipe: Recipe) -> float:
    return FIT_OVERHEAD * (len(list(candidates(recipe.grid))) + 1)


def _pace(recipe: Recipe, fold: Fold, *, own: bool) -> Pace:
    """own: whether the fold's answers are those of the recipe's task, and not of one that it is a step of."""
    if recipe.base.startswith(HOSTED):
        return Pace(0.0, 1, HOSTED_SECONDS)
    if recipe.written:
        return _pace_written(recipe, fold, own=own)
    if fold.everything.pool:
        return Pace(*_pair_seconds(recipe, fold))
    return Pace(*_row_seconds(recipe, fold.everything.texts, fold.everything.labels if own else UNKNOWN))


def _row_seconds(recipe: Recipe, texts: Sequence[str], labels: Sequence[str]) -> tuple[float, int]:
    task = recipe.task.make()
    model = load_model(
        resolve(recipe.base, layers=recipe.layers),
        labels=task.outputs(labels),
        pooling=recipe.pooling,
        max_length=task.settings.max_length,
    )
    sample = list(dict.fromkeys(texts))[:64]
    embed(model, sample[:4])
    start = time.perf_counter()
    embed(model, sample)
    return (time.perf_counter() - start) / len(sample), len(blocks(model.body))


def _pair_seconds(recipe: Recipe, fold: Fold) -> tuple[float, int]:
    """Seconds to read a query and a passage."""
    answering = SearchAnswering.of(recipe, resolve(recipe.base, layers=recipe.layers), {})
    sample = [*list(fold.everything.pool.values())[:32], *fold.everything.texts[:32]]
    answering.vectors(sample[:4])
    start = time.perf_counter()
    answering.vectors(sample)
    return 2 * (time.perf_counter() - start) / len(sample), len(blocks(answering.model.body))


def _pace_written(recipe: Recipe, fold: Fold, *, own: bool) -> Pace:
    """Seconds to read a row, and to write an answer of the length that the train rows' own have."""
    import torch

    task = recipe.task.make()
    model = load_writer(resolve(recipe.base, layers=recipe.layers), max_length=prompt_limit(task))
    encode = model.chat.tokens.encode
    sample = [encode(text)[: model.max_length // 2] or [0] for text in fold.everything.texts[:16]]
    with torch.inference_mode():
        model.next_logits(sample[:2])
        start = time.perf_counter()
        model.next_logits(sample)
    row = (time.perf_counter() - start) / len(sample)
    if not hasattr(task, "written") or task.choices(fold.everything.labels if own else UNKNOWN):
        return Pace(row, len(blocks(model.body)))  # labels are scored: reading is all
    limit = shown_by(recipe).writing.max_new_tokens
    if not own:
        return Pace(row, len(blocks(model.body)), _answer_seconds(model, sample, max(1, limit // 2)))
    some = zip(fold.everything.gold[:200], fold.everything.inputs[:200], strict=True)
    lengths = sorted(len(encode(task.written(gold, given))) for gold, given in some)
    most = min(limit, 2 * lengths[len(lengths) // 2] + 8)
    return Pace(row, len(blocks(model.body)), _answer_seconds(model, sample, most))


def _answer_seconds(model: Writer, prompts: Sequence[Sequence[int]], most: int) -> float:
    """Seconds that an answer of so many tokens takes."""
    start = time.perf_counter()
    write(model, prompts, Writing(max_new_tokens=most))
    return (time.perf_counter() - start) / len(prompts)
