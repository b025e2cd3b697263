"""From the runs of a comparison to its answer: intervals, paired tests, verdicts, the recommendation, `comparison.json`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

from tailorlm.comparison.compare import Outcome, WayRuns
from tailorlm.comparison.settings import CompareSettings
from tailorlm.core.machine import environment
from tailorlm.core.runs import Run
from tailorlm.evaluation import AgainstBest, Comparison, Cost, Predictions, compare, recommend, tables
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.presets import PRESETS

FORMAT, VERSION = "tailorlm-comparison", 1
ROWS_SHOWN = 30


def build_result(
    outcome: Outcome, settings: CompareSettings, *, title: str, sources: Mapping[str, str], repeat: str
) -> dict[str, Any]:
    """The content of `comparison.json`, which report, terminal table and advice read.

    title: what was compared. sources: `train` and `test` to the names of files as the user gave them. repeat: the command that repeats it.
    """
    predictions = {
        way.recipe.name: [_predictions(run, outcome.split.test.ids) for run in way.runs]
        for way in outcome.ways
        if not way.error
    }
    judged = compare(str(settings.metric), predictions, level=settings.level)
    costs = {way.recipe.name: _cost(way.runs) for way in outcome.ways if not way.error}
    advice = recommend(judged, costs, volume=settings.volume)
    first = {name: runs[0] for name, runs in predictions.items()}
    chosen = first[advice.name]
    texts = dict(zip(outcome.split.test.ids, outcome.split.test.texts, strict=True))
    return {
        "format": FORMAT,
        "version": VERSION,
        "tailorlm": environment()["tailorlm"],
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(outcome.seconds, 1),
        "title": title,
        "repeat": repeat,
        "task": _task(outcome),
        "base": dict(next(iter(way.runs[0] for way in outcome.ways if way.runs)).record["base"]),
        "data": _data(outcome, sources),
        "settings": settings.model_dump(mode="json") | {"seeds": [settings.seed + i for i in range(settings.seeds)]},
        "metric": _metric(str(settings.metric)),
        "metrics": _metrics(outcome, settings),
        "ways": [
            _way(way, judged, predictions.get(way.recipe.name, []), settings)
            for way in _best_first(outcome.ways, judged)
        ],
        "best": judged.best,
        "recommended": advice.name,
        "reason": advice.reason,
        **kind_of(chosen.kind).tables(chosen),
        "disagreements": [_row(i, first, texts) for i in tables.disagreements(first, ROWS_SHOWN)],
        "all_wrong": [_row(i, first, texts) for i in tables.all_wrong(first)[:ROWS_SHOWN]],
        "all_wrong_total": len(tables.all_wrong(first)),
        "environment": environment(),
    }


def _best_first(ways: Sequence[WayRuns], judged: Comparison) -> list[WayRuns]:
    place = {name: i for i, name in enumerate(judged.scores)}
    return sorted(ways, key=lambda way: place.get(way.recipe.name, len(place)))


def _metrics(outcome: Outcome, settings: CompareSettings) -> list[str]:
    """The metric that decides, and the next of the task's own beside it."""
    own = outcome.ways[0].recipe.task.make().metrics
    return [str(settings.metric), *[name for name in own if name != settings.metric][:1]]


def _task(outcome: Outcome) -> dict[str, Any]:
    part = outcome.ways[0].recipe.task
    asked: dict[str, Any] = part.settings.model_dump(mode="json")
    return asked | {"name": part.name, "labels": list(outcome.split.train.labels)}


def _data(outcome: Outcome, sources: Mapping[str, str]) -> dict[str, Any]:
    train, test, fold = outcome.split.train, outcome.split.test, outcome.fold
    return {
        "train": {"source": sources["train"], "rows": len(train), "fingerprint": train.fingerprint},
        "validation": {"rows": len(fold.validation), "taken_from": "train", "trial_rows": len(fold.trial)},
        "test": {"source": sources["test"], "rows": len(test), "fingerprint": test.fingerprint},
        "notes": outcome.split.notes,
        "findings": outcome.split.findings,
    }


def _metric(name: str) -> dict[str, Any]:
    from tailorlm.evaluation.metrics import metric_of

    metric = metric_of(name)
    return {"name": name, "version": metric.version, "higher_is_better": metric.higher_is_better}


def _way(
    way: WayRuns, judged: Comparison, predictions: Sequence[Predictions], settings: CompareSettings
) -> dict[str, Any]:
    name, preset = way.recipe.name, PRESETS.get(way.recipe.method or "")
    head = {
        "name": name,
        "title": preset.title if preset and name == way.recipe.method else name,
        "summary": preset.summary if preset else "a recipe of your own",
        "status": "failed" if way.error else "ok",
        "error": way.error,
        "runs": [run.id for run in way.runs],
        "recipe": way.recipe.plain(),
    }
    if way.error:
        return head
    against = judged.against_best.get(name)
    names = dict.fromkeys([str(settings.metric), *way.recipe.task.make().metrics])
    return head | {
        "scores": score_table(tuple(names), predictions, level=settings.level),
        "chosen": [run.record["chosen"] for run in way.runs],
        "search": [run.record["search"] for run in way.runs],
        "cost": asdict(_cost(way.runs)),
        "against_best": _plain(against) if against is not None else None,
        "verdict": against.verdict if against is not None else "best",
    }


def _plain(against: AgainstBest) -> dict[str, Any]:
    return {key: value for key, value in asdict(against).items() if key not in {"name", "verdict"}}


def _cost(runs: Sequence[Run]) -> Cost:
    # Over seeds the median, so that one disturbed run does not decide what a way costs; memory is the worst seen.
    values = {f.name: [run.record["cost"][f.name] for run in runs] for f in fields(Cost)}
    middle = {name: statistics.median(value) for name, value in values.items()}
    whole = {name: round(middle[name]) for name in ("trainable_parameters", "stored_bytes")}
    return Cost(**(middle | whole | {"peak_memory_bytes": max(values["peak_memory_bytes"])}))


def _predictions(run: Run, ids: tuple[str, ...]) -> Predictions:
    kept = Predictions.from_jsonl(run.folder / "predictions.jsonl", labels=run.record["labels"])
    return replace(
        kept, ids=ids
    )  # the same rows, in an earlier sitting perhaps read by another path and so named otherwise


def _row(index: int, ways: Mapping[str, Predictions], texts: Mapping[str, str]) -> dict[str, Any]:
    first = next(iter(ways.values()))
    shown = kind_of(first.kind).shown
    answers = {name: shown(predictions.predicted[index]) for name, predictions in ways.items()}
    return {
        "id": first.ids[index],
        "text": texts[first.ids[index]],
        "gold": shown(first.gold[index]),
        "answers": answers,
    }
