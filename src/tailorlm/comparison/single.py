"""Fitting one recipe with the care that a comparison gives each way: search, then one fit on all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailorlm.comparison.request import CompareRequest, read_rows
from tailorlm.comparison.search import TrialMemory
from tailorlm.comparison.split import fold
from tailorlm.comparison.way import Bench, run_way
from tailorlm.core.errors import TailorError
from tailorlm.core.runs import DEFAULT_ROOT, read_run
from tailorlm.models.run import EmbeddingCache
from tailorlm.recipes.schema import Recipe
from tailorlm.training.job import Event


@dataclass
class FittedRun:
    """What `fit_one` left: the run's folder (the adaptation lies in it), its record, what was noticed about the rows, and the metric of its
    validation score."""

    folder: Path
    record: Mapping[str, Any]
    notes: list[str]
    metric: str


def fit_one(
    request: CompareRequest,
    recipe: Recipe,
    *,
    out: Path | None = None,
    root: Path = DEFAULT_ROOT,
    seed: int = 0,
    listen: Callable[[Event], None] = lambda event: None,
) -> FittedRun:
    """Fit a recipe on the request's rows and keep the run.

    out: the run's folder (else `root/fit-NAME-sSEED-KEY`); one that exists already is a TailorError, unless it is this very fit.
    Raises TailorError for what is wrong with the rows, before anything slow begins.
    """
    task = recipe.task.make()
    rows, _ = read_rows(request, task, root)
    train = task.prepare(rows, what="train")
    settings = request.judging()
    part = fold(train, settings, seed)
    bench = Bench(settings, out.parent if out else root, TrialMemory(), EmbeddingCache(), listen)
    name = out.name if out else f"fit-{bench.run_id(recipe, part, None, seed)}"
    bench = replace(bench, memory=TrialMemory(bench.underway(name) / "trials.jsonl"))
    final = bench.root / name
    if final.exists():
        done = read_run(final)
        if done is None or done.record.get("key") != bench.run_key(recipe, part, None, seed):
            raise TailorError(
                f"{final} exists already",
                got="another run or other files",
                hint="give another folder with --out, or remove it",
            )
    notes = [*rows.notes, *(str(finding["message"]) for finding in task.findings(train))]
    run = run_way(bench, recipe, part, None, seed, name=name)
    return FittedRun(run.folder, run.record, notes, str(settings.metric))
