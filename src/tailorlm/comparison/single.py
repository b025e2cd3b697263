"""Fitting one recipe with the care that a comparison gives each way: search, then one fit on all rows."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any

from tailorlm.comparison.estimate import estimate
from tailorlm.comparison.request import CompareRequest, read_rows
from tailorlm.comparison.search import TrialMemory
from tailorlm.comparison.split import Fold, fold
from tailorlm.comparison.way import Bench, run_way
from tailorlm.core.errors import TailorError
from tailorlm.core.runs import DEFAULT_ROOT, Run, read_run
from tailorlm.models.run import EmbeddingCache
from tailorlm.recipes.schema import Recipe
from tailorlm.recipes.steps import check_columns
from tailorlm.training.job import Event
from tailorlm.training.processes import group_for


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
    reload: bool = True,
    foresee: bool = False,
) -> FittedRun:
    """Fit a recipe on the request's rows and keep the run.

    out: the run's folder (else `root/fit-NAME-sSEED-KEY`); one that exists already is a TailorError, unless it is this very fit.
    reload: let a fresh process read the folder and answer a few rows; CheckError where it answers otherwise. foresee: say how long it will
    take, from a second of measuring.
    Raises TailorError for what is wrong with the rows, before anything slow begins. On several processes (`torchrun`, `accelerate
    launch`) all call this alike; they train together, and the first one keeps the run.
    """
    group = group_for("copies")
    task = recipe.task.make()
    rows, _ = read_rows(request, task, root)
    train = task.prepare(rows, what="train")
    if recipe.steps:
        check_columns(recipe, rows, "train")
        train = replace(train, rows=rows.rows)
    settings = request.judging()
    part = fold(train, settings, seed)
    bench = Bench(settings, out.parent if out else root, TrialMemory(), EmbeddingCache(), listen, reload)
    name = out.name if out else f"fit-{bench.run_id(recipe, part, None, seed)}"
    done = group.same(_kept(bench.root / name, bench.run_key(recipe, part, None, seed)) if group.first else None)
    if isinstance(done, str):
        raise TailorError(done, got="another run or other files", hint="give another folder with --out, or remove it")
    memory = TrialMemory(bench.underway(name) / "trials.jsonl") if group.first else TrialMemory()
    bench = replace(bench, memory=memory.shared(group), helps=not group.first)
    notes = [*rows.notes, *(str(finding["message"]) for finding in task.findings(train))]
    if done is not None:
        listen({"event": "reused", "run": name})
        return FittedRun(done.folder, done.record, notes, str(settings.metric))
    if group.first:
        seconds = estimate([recipe], part, part.validation, settings).total(1) if foresee else None
        listen(_plan(part, notes, seconds))
        run = run_way(bench, recipe, part, None, seed, name=name)
    else:
        with tempfile.TemporaryDirectory() as folder:  # what a helping process writes, nobody reads
            run = run_way(replace(bench, root=Path(folder)), recipe, part, None, seed, name=name)
    return FittedRun(run.folder, run.record, notes, str(settings.metric))


def _plan(part: Fold, notes: list[str], seconds: float | None) -> Event:
    """What will be fitted on, as an event: rows, how many of them have each label, what was noticed about them, how long it will take."""
    rows = part.everything
    given = [[gold] if isinstance(gold, str) else gold for gold in rows.gold] if rows.labels else []
    counts = sorted(Counter(name for names in given for name in names if isinstance(name, str)).values())
    labels = (
        {"count": len(counts), "least": counts[0], "median": median_low(counts), "most": counts[-1]} if counts else None
    )
    told = {"rows": len(rows), "validation": len(part.validation), "labels": labels, "notes": notes, "seconds": seconds}
    return {"event": "plan"} | told


def _kept(folder: Path, key: str) -> Run | str | None:
    """The finished run of this key in the folder, None where there is none, and words for a folder that holds something else."""
    if not folder.exists():
        return None
    done = read_run(folder)
    return done if done is not None and done.record.get("key") == key else f"{folder} exists already"
