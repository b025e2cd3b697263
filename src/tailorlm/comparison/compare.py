"""Compare ways of adapting a model on the same rows: the main job of the program."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailorlm.comparison.estimate import Estimate, estimate
from tailorlm.comparison.evidence import recipe_key
from tailorlm.comparison.search import TrialMemory
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold, Split, fold
from tailorlm.comparison.way import Bench, run_way
from tailorlm.core import atomic
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.core.runs import Run
from tailorlm.models.resolve import resolve
from tailorlm.models.run import EmbeddingCache
from tailorlm.recipes.schema import Recipe
from tailorlm.training.job import Event


@dataclass
class WayRuns:
    """The runs of one way, one a seed; or the error that ended it."""

    recipe: Recipe
    runs: list[Run] = field(default_factory=list)
    error: str | None = None


@dataclass
class Outcome:
    """Everything a comparison left: its folder, the split, the runs of every way, seconds of this sitting."""

    folder: Path
    split: Split
    fold: Fold
    ways: list[WayRuns]
    seconds: float


class Comparer:
    """Runs several recipes on one split.

    recipes: two or more names, each once, all for the same task. folder: where runs and report go. The constructor stores; `plan`
    says what will be done and how long it takes; `run` does it, and goes on where an interrupted one stopped.
    """

    def __init__(self, recipes: Sequence[Recipe], split: Split, settings: CompareSettings, folder: Path):
        self.recipes, self.split, self.settings, self.folder = list(recipes), split, settings, folder

    def plan(self) -> Estimate:
        """Expected seconds of each way, measured on a sample of the rows."""
        return estimate(
            self.recipes, fold(self.split.train, self.settings, self.settings.seed), self.split.test, self.settings
        )

    def finished(self) -> list[str]:
        """Names of the runs of an earlier sitting that need not be repeated."""
        bench = self._bench(lambda event: None)
        found = [
            bench.find(recipe, fold(self.split.train, self.settings, seed), self.split.test, seed)
            for recipe in self.recipes
            for seed in self._seeds()
        ]
        return [run.id for run in found if run is not None]

    def run(self, listen: Callable[[Event], None] = lambda event: None) -> Outcome:
        """Run every way with every seed. A way that fails is recorded with its error; if all fail, the first error is raised."""
        check_recipes(self.recipes)
        start, ways, faults = time.perf_counter(), [WayRuns(recipe) for recipe in self.recipes], []
        with atomic.disk_errors(self.folder):
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
        bench = self._bench(listen)
        folds = {seed: fold(self.split.train, self.settings, seed) for seed in self._seeds()}
        for number, way in enumerate(ways):
            for seed in self._seeds():
                listen({"event": "way", "name": way.recipe.name, "number": number + 1, "of": len(ways), "seed": seed})
                try:
                    way.runs.append(run_way(bench, way.recipe, folds[seed], self.split.test, seed))
                except atomic.DiskFull:
                    raise
                except TailorError as fault:
                    faults.append(fault)
                    way.error = str(fault)
                    break
            listen({"event": "way-done", "name": way.recipe.name, "error": way.error})
        for left in (self.folder / "runs").glob(
            ".*.underway"
        ):  # of fits that were interrupted and then asked for otherwise
            atomic.remove_folder(left)
        if all(way.error for way in ways):
            raise faults[0]
        return Outcome(self.folder, self.split, folds[self.settings.seed], ways, time.perf_counter() - start)

    def _seeds(self) -> range:
        return range(self.settings.seed, self.settings.seed + self.settings.seeds)

    def _bench(self, listen: Callable[[Event], None]) -> Bench:
        return Bench(
            self.settings, self.folder / "runs", TrialMemory(self.folder / "trials.jsonl"), EmbeddingCache(), listen
        )


def comparison_name(stem: str, split: Split, settings: CompareSettings, recipes: Sequence[Recipe]) -> str:
    """A folder name for a comparison: the rows' name and a key over rows, settings and base, the same whenever these are."""
    shared = [settings.validation_share, settings.validation_rows, settings.search_rows, settings.refit, settings.level]
    bases: list[Any] = sorted({base for recipe in recipes for base in recipe.bases})
    content = json.dumps([split.train.fingerprint, split.test.fingerprint, shared, bases])
    clean = "".join(c if c.isalnum() or c in "-_" else "-" for c in stem).strip("-") or "rows"
    return f"compare-{clean[:40]}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def check_recipes(recipes: Sequence[Recipe]) -> None:
    """Refuse what cannot be compared: no way, two of one name, different tasks, a base model or an index that is not there."""
    names = [recipe.name for recipe in recipes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two ways are called '{twice[0]}'", hint="give one of the recipes another `name`")
    if not recipes:
        raise UsageError("there is nothing to compare", hint="--methods features-lr,lora")
    tasks = {json.dumps(recipe.task.plain(), sort_keys=True) for recipe in recipes}
    if len(tasks) > 1:
        raise UsageError("the recipes do not ask the same task of the model", hint="give all recipes the same `task`")
    for base in sorted({base for recipe in recipes for base in recipe.bases}):
        resolve(base)
    for recipe in recipes:
        recipe_key(recipe)  # opens the index, where one is shown
