"""One way of a comparison with one seed: search, last fit, prediction of the test rows, and the run folder that records it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tailorlm.comparison.cost import PeakMemory, folder_bytes
from tailorlm.comparison.evidence import (
    counted,
    price,
    recipe_key,
    retrieval,
    seconds_per_row,
    shown_facts,
    write_details,
)
from tailorlm.comparison.report.format import task_facts
from tailorlm.comparison.search import Care, TrialMemory, Tuned, tune
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Fold
from tailorlm.comparison.stepwise import step_records
from tailorlm.core import atomic
from tailorlm.core.machine import environment, processes
from tailorlm.core.runs import Run, RunWriter, read_run
from tailorlm.evaluation import Cost
from tailorlm.evaluation.scores import score_table
from tailorlm.models.resolve import HOSTED, resolve
from tailorlm.models.run import EmbeddingCache, EmbeddingView
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.course import given, rows_key
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.forgotten import Known, Memory
from tailorlm.recipes.reload import check_reload
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Examples
from tailorlm.training.job import Event
from tailorlm.training.speed import speed

# Counts into every run's key: raise it when a change of the program changes results, so that old runs are not taken for new.
RESULTS_VERSION = 6
# Rows of the last fit that are kept as the hardest to learn.
HARDEST = 20


@dataclass
class Bench:
    """What all ways of a comparison share: settings, where runs go, the vectors of the frozen base, remembered trials.

    reload: whether the saved folder is read and asked by a fresh process. helps: this process trains beside one that keeps the run.
    """

    settings: CompareSettings
    root: Path
    memory: TrialMemory
    cache: EmbeddingCache
    listen: Callable[[Event], None]
    reload: bool = False
    helps: bool = False

    @cached_property
    def remembers(self) -> Memory:
        """Measures what was forgotten, on the settings' texts, asking each base once."""
        return Memory(Known.read(self.settings.general, self.settings.probes))

    def find(self, recipe: Recipe, fold: Fold, test: Examples | None, seed: int) -> Run | None:
        """The finished run of exactly this recipe, rows, settings and seed, if there is one."""
        return read_run(self.root / self.run_id(recipe, fold, test, seed))

    def underway(self, run_id: str) -> Path:
        """The hidden folder beside a run in which its fits are kept while they go."""
        return self.root / f".{run_id}.underway"

    def run_id(self, recipe: Recipe, fold: Fold, test: Examples | None, seed: int) -> str:
        """Name of a run: the way's name, the seed, and a key over all that its result depends on."""
        return f"{recipe.name}-s{seed}-{self.run_key(recipe, fold, test, seed)[:12]}"

    def run_key(self, recipe: Recipe, fold: Fold, test: Examples | None, seed: int) -> str:
        """sha256 (hex) over recipe, base weights, rows, seed and the settings that change a result."""
        prints = [rows_key(recipe, part) for part in (fold.trial, fold.validation, fold.everything, test)]
        bases = [resolve(base).fingerprint for base in recipe.bases]
        content = [
            RESULTS_VERSION,
            recipe_key(recipe),
            bases if recipe.steps else bases[0],
            prints,
            seed,
            self.settings.refit,
            self.settings.metric,
            self.settings.level,
            self.remembers.known.fingerprint,
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def run_way(
    bench: Bench, recipe: Recipe, fold: Fold, test: Examples | None, seed: int, *, name: str | None = None
) -> Run:
    """Tune, fit, predict and record one way with one seed; a finished equal run is returned instead.

    test: the rows to score on, read once, after the last fit; None keeps the adaptation unscored. name: the run folder's, if not
    derived. Raises TailorError for what the way cannot do; nothing half-written is left.
    """
    run_id = name or bench.run_id(recipe, fold, test, seed)
    done = read_run(bench.root / run_id)
    if done is not None and done.record.get("key") == bench.run_key(recipe, fold, test, seed):
        bench.listen({"event": "reused", "run": run_id})
        return done
    atomic.check_space(bench.root, _stored(recipe))
    asked = given(recipe, test) if test is not None else None
    checked = given(recipe, fold.validation)
    with RunWriter(bench.root, run_id) as writer:

        def listen(event: Event) -> None:
            if event["event"] != "step" or event["step"] % 10 == 0:
                writer.event(event)
            bench.listen(event)

        searching, last = EmbeddingView(bench.cache), EmbeddingView(bench.cache)
        care = Care(seed, str(bench.settings.metric), searching, bench.memory, listen, bench.underway(run_id))
        with PeakMemory() as peak:
            tuned = tune(recipe, fold, care)
            fitted, seconds = _last_fit(tuned, fold, replace(care, view=last), refit=bench.settings.refit)
            answers, per_row = _predict(fitted, asked if asked is not None else checked)
        cost = Cost(
            fit_seconds=tuned.seconds + seconds - last.spent + searching.charge(last),
            last_fit_seconds=seconds - last.spent + last.charge(),
            predict_ms_per_row=per_row * 1000,
            peak_memory_bytes=peak.bytes,
            trainable_parameters=fitted.trainable,
            stored_bytes=0,
            paid_per_1000_rows=price(fitted.adaptation.answering, answers),
        )
        metrics = _score(writer, fitted, answers, test, seed, bench.settings) if test is not None else {}
        found = (
            retrieval(fitted.adaptation.answering, asked, answers, bench.settings.level) if asked is not None else None
        )
        adaptation = writer.folder / "adaptation"
        adaptation.mkdir()
        if not bench.helps:
            fitted.adaptation.write(adaptation, _facts(metrics, fold, cost) | task_facts(fitted.tasks))
        writer.write_recipe(fitted.adaptation.recipe.plain())
        if test is not None and answers.detail:
            write_details(writer.folder, test.ids, answers)
        record = _record(tuned, fitted, fold, test, seed) | {
            "cost": asdict(cost) | {"stored_bytes": folder_bytes(adaptation)},
            "answered": counted(answers),
            "shown": shown_facts(fitted.adaptation.answering),
            "retrieval": found,
            "steps": step_records(fitted, asked, answers, bench.settings.level),
            "forgotten": bench.remembers.forgotten(fitted.adaptation),
            "tasks": dict(fitted.tasks) or None,
            "cut": {name: value for name, value in fitted.cut.items() if name != "event"} or None,
        }
        run = writer.publish(record | {"key": bench.run_key(recipe, fold, test, seed)})
    if bench.reload and not bench.helps:
        check_reload(run.folder, fitted.adaptation, checked.inputs)
    atomic.remove_folder(bench.underway(run_id))
    return run


def _stored(recipe: Recipe) -> int:
    """Bytes of weights that the run of this recipe will surely store: the base's once more where the whole model learns."""
    if recipe.steps:
        return sum(_stored(step.recipe) for step in recipe.steps)
    whole = any(getattr(stage.weights.registry.get(stage.weights.name), "whole", False) for stage in recipe.stages)
    return resolve(recipe.base).bytes if whole else 0


def _score(
    writer: RunWriter, fitted: Fitted, answers: Answers, test: Examples, seed: int, settings: CompareSettings
) -> dict[str, Any]:
    task = fitted.adaptation.answering.task
    predictions = predictions_of(task, test, answers, fitted.adaptation.labels)
    predictions.to_jsonl(writer.folder / "predictions.jsonl")
    names = dict.fromkeys([str(settings.metric), *task.metrics])
    metrics = score_table(tuple(names), [predictions], level=settings.level)
    shared = {
        "data": test.fingerprint,
        "seed": seed,
        "commit": environment()["commit"],
        "tailorlm": environment()["tailorlm"],
    }
    writer.write_json("scores.json", {name: value | shared for name, value in metrics.items()})
    return metrics


def _last_fit(tuned: Tuned, fold: Fold, care: Care, *, refit: bool) -> tuple[Fitted, float]:
    start = time.perf_counter()
    rows = fold.everything if refit else fold.trial
    care.listen({"event": "last-fit", "rows": len(rows)})
    fitted = fit(
        tuned.recipe,
        rows,
        None if refit else fold.validation,
        seed=care.seed,
        metric=care.metric,
        embeddings=care.view,
        listen=care.listen,
        checkpoints=care.checkpoints("last"),
    )
    return fitted, time.perf_counter() - start + fitted.earlier


def _predict(fitted: Fitted, test: Examples) -> tuple[Answers, float]:
    answering = fitted.adaptation.over(test.pool)
    if not any(
        base.startswith(HOSTED) for base in fitted.adaptation.recipe.bases
    ):  # where a call has its price, none is made for nothing
        answering.answer(test.inputs[:8], test.ids[:8])  # the first call pays for what later ones do not
    start = time.perf_counter()
    answers = answering.answer(test.inputs, test.ids)
    return answers, seconds_per_row(answering, answers, time.perf_counter() - start)


def _record(tuned: Tuned, fitted: Fitted, fold: Fold, test: Examples | None, seed: int) -> dict[str, Any]:
    chosen = dict(tuned.best.settings) if tuned.best else {}
    if tuned.best and tuned.best.epochs:
        chosen["epochs"] = tuned.best.epochs
    base = fitted.adaptation.model.base
    rows = {"train": fold.everything, "trial": fold.trial, "validation": fold.validation} | (
        {"test": test} if test is not None else {}
    )
    return {
        "kind": "fit",
        "name": tuned.recipe.name,
        "method": tuned.recipe.method,
        "seed": seed,
        "base": {"name": base.name, "origin": base.origin, "fingerprint": base.fingerprint},
        "data": {name: {"rows": len(part), "fingerprint": part.fingerprint} for name, part in rows.items()},
        "labels": list(fitted.adaptation.labels),
        "chosen": chosen,
        "search": [*(trial.plain() for trial in tuned.trials), *(failed.plain() for failed in tuned.failed)],
        "validation_score": tuned.best.score if tuned.best and tuned.judged else None,
        "training": _training(fitted),
        "environment": environment(),
    }


def _training(fitted: Fitted) -> dict[str, Any] | None:
    """What the last fit left: steps, what was noticed, and the rows that stayed hardest, which are often wrongly labelled."""
    if not fitted.trained:
        return None
    trained = fitted.trained[-1]
    return {
        "steps": len(trained.losses),
        "rows_per_second": round(trained.rows_seen / max(1e-9, trained.seconds), 1),
        **speed(trained, fitted.adaptation.model.device, processes()[1]),
        "needs": asdict(trained.needs) if trained.needs else None,
        "forecast_bytes": trained.forecast.peak if trained.forecast else None,
        "notes": trained.notes,
        "hardest_rows": [
            {"id": trained.ids[i], "loss": round(float(trained.row_losses[i]), 4)} for i in trained.hardest(HARDEST)
        ],
    }


def _facts(metrics: dict[str, Any], fold: Fold, cost: Cost) -> dict[str, str]:
    facts = {
        name: f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}] on {m['n']} test rows" for name, m in metrics.items()
    }
    return facts | {
        "train rows": f"{len(fold.everything)} (fingerprint {fold.everything.fingerprint[:12]})",
        "seconds to fit, search included": f"{cost.fit_seconds:.1f}",
        "milliseconds a row to predict": f"{cost.predict_ms_per_row:.2f}",
        "peak memory": f"{cost.peak_memory_bytes / 1e6:.0f} MB",
    }
