"""The search of settings: every combination tried, the best kept, trials remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import quick

from tailorlm.comparison import search
from tailorlm.comparison.search import Care, Trial, TrialMemory, candidates, tune
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold, fold
from tailorlm.core import atomic
from tailorlm.core.errors import TailorError
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.presets import PRESETS, preset
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
LR, TASK = "stages.0.weights.lr", {"part": "classify"}


@pytest.fixture
def part() -> Fold:
    return fold(labelled(45), CompareSettings(), 0)


def recipe(base: Base, weights: Any = "head", **changes: Any) -> Recipe:
    return Recipe.model_validate(quick("mine", weights, base=str(base())) | changes)


def tuned(made: Recipe, part: Fold, memory: TrialMemory | None = None, seed: int = 0) -> search.Tuned:
    return tune(made, part, Care(seed, "accuracy", EmbeddingView(), memory or TrialMemory()))


def test_candidates_are_every_combination() -> None:
    assert list(candidates({"a": [1, 2], "b": ["x"]})) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    assert list(candidates({})) == [{}]


@pytest.mark.parametrize("name", PRESETS)
def test_every_method_has_a_small_grid_of_valid_settings(name: str) -> None:
    made = preset(name).recipe(name, "starter", TASK)
    found = list(candidates(made.grid))
    assert len(found) <= 6
    assert (len(found) > 1) == (name != "zero-shot")
    assert len({made.changed(settings).key for settings in found}) == len(found)


def test_where_nothing_but_the_temperature_is_open_there_is_one_trial(base: Base, part: Fold) -> None:
    made = recipe(base, stages=[{"weights": "head", "train": {"epochs": 3, "patience": None}}])
    done = tuned(made, part)
    assert [(trial.settings, set(trial.found)) for trial in done.trials] == [({}, {"temperature"})]
    assert done.recipe == made.with_task(done.trials[0].found)
    with_grid = made.model_copy(update={"search": {LR: (1e-2,)}})
    assert len(tuned(with_grid, part).trials) == 1


@pytest.mark.parametrize(("few", "kept"), [(0, 1.0), (10_000, 10.0)])
def test_the_best_trial_is_kept(few: int, kept: float, base: Base, part: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """By score, equal scores by the lower log loss; where validation rows are few, by log loss."""
    monkeypatch.setattr(search, "FEW_ROWS", few)
    scores = {0.01: (0.5, 1.0), 0.1: (0.7, 0.9), 1.0: (0.7, 0.8), 10.0: (0.6, 0.1)}

    def trial(candidate: Recipe, changes: Any, *args: Any) -> Trial:
        score, loss = scores[changes[LR]]
        return Trial(changes, score, loss, 1, 2.0)

    monkeypatch.setattr(search, "_trial", trial)
    best = tuned(recipe(base, search={LR: list(scores)}), part)
    assert best.best is not None
    assert best.best.settings == {LR: kept}
    assert best.recipe.stages[0].weights.settings.lr == kept
    assert (best.recipe.stages[0].train.epochs, best.seconds) == (1, 8.0)
    assert [t.settings[LR] for t in best.trials] == list(scores)


def test_a_trial_is_what_a_fit_on_the_trial_rows_scores(base: Base, part: Fold) -> None:
    from tailorlm.recipes.fit import fit

    made = recipe(base, search={LR: [0.1]})
    found = tuned(made, part).trials[0]
    alone = fit(made.changed({LR: 0.1}), part.trial, part.validation, seed=0)
    assert alone.score is not None
    assert (found.score, found.loss) == (alone.score.value, alone.score.loss)
    assert found.epochs == alone.trained[-1].best_epoch


def test_what_learns_nothing_is_tried_once_for_its_temperature(base: Base, part: Fold) -> None:
    made = preset("zero-shot").recipe("zero-shot", str(base()), TASK)
    done = tuned(made, part)
    assert [(trial.settings, trial.epochs, set(trial.found)) for trial in done.trials] == [({}, None, {"temperature"})]
    assert done.recipe == made.with_task(done.trials[0].found)


def test_a_trained_recipe_without_a_grid_is_tried_once_for_its_passes(base: Base, part: Fold) -> None:
    assert len(tuned(recipe(base), part).trials) == 1


def test_a_diverging_trial_counts_as_failed(base: Base, part: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(candidate: Recipe, changes: Any, *args: Any) -> Trial:
        if changes[LR] > 0.05:
            raise TailorError("the loss of step 1 is not a finite number", got="rows of that step: something private")
        return Trial(changes, 0.5, 1.0, 1, 1.0)

    monkeypatch.setattr(search, "_trial", trial)
    events: list[dict[str, Any]] = []
    care = Care(0, "accuracy", EmbeddingView(), TrialMemory(), events.append)
    done = tune(recipe(base, search={LR: [0.01, 0.1]}), part, care)
    assert [t.settings for t in done.trials] == [{LR: 0.01}]
    words = "the loss of step 1 is not a finite number"
    assert [(one.settings, one.fault) for one in done.failed] == [({LR: 0.1}, words)]
    assert events[-1] == {"event": "trial-failed", "number": 2, "settings": {LR: 0.1}, "fault": words}
    assert done.seconds == 1.0 + done.failed[0].seconds > 1.0
    with pytest.raises(TailorError, match="step 1"):
        tuned(recipe(base, search={LR: [0.1, 1.0]}), part)


def test_a_full_disk_is_no_failed_trial(base: Base, part: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(*args: Any) -> None:
        raise atomic.DiskFull("the disk is full")

    monkeypatch.setattr(TrialMemory, "add", add)
    with pytest.raises(atomic.DiskFull):
        tuned(recipe(base, search={LR: [0.01, 0.1]}), part)


def test_trials_are_remembered_over_processes(
    base: Base, part: Fold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, path = recipe(base, search={LR: [0.01, 0.1]}), tmp_path / "trials.jsonl"
    first = tuned(made, part, TrialMemory(path))
    assert len(path.read_text().splitlines()) == 2
    with monkeypatch.context() as patch:
        patch.setattr(search, "fit", None)  # not called
        again = tuned(made, part, TrialMemory(path))
    assert again.trials == first.trials
    assert (again.best, again.recipe, again.seconds) == (first.best, first.recipe, first.seconds)
    tuned(made, part, TrialMemory(path), seed=1)
    tuned(made, fold(labelled(45, start=1), CompareSettings(), 0), TrialMemory(path))
    tuned(recipe(base, "bias", search={LR: [0.01]}), part, TrialMemory(path))
    assert len({json.loads(line)["key"] for line in path.read_text().splitlines()}) == 7


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\n\n",
        b"{}",
        b"[1]",
        b"null",
        b'{"key": "k"}',
        b'{"key": "k", "sco',
        b"\xff\xfe",
        b'{"key": "k", "other": 1}',
    ],
)
def test_lines_that_are_no_trials_are_passed_over(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_bytes(junk)
    memory, trial = TrialMemory(path), Trial({LR: 0.1}, 0.5, 1.0, None, 2.0)
    assert memory.find("k") is None
    memory.add("k", trial)
    assert memory.find("k") == trial
    assert TrialMemory(path).find("k") == trial


@pytest.mark.parametrize(("trial_rows", "expected"), [(60, 4), (15, 2), (1, 1)])
def test_fewer_passes_when_the_trial_saw_a_part_of_the_rows(trial_rows: int, expected: int, base: Base) -> None:
    rows = labelled(80)
    part = Fold(rows.select(range(trial_rows)), rows.select(range(60, 80)), rows)
    changes = search._passes(recipe(base, "bias").changed({"stages.0.train.epochs": 8}), 4, part.share)
    assert changes == {"stages.0.train.epochs": expected}
