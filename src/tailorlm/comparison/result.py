"""From the runs of a comparison to its answer: intervals, paired tests, verdicts, the recommendation, `comparison.json`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tailorlm.comparison.compare import Outcome, WayRuns
from tailorlm.comparison.evidence import read_details
from tailorlm.comparison.groups import group_tables
from tailorlm.comparison.settings import CompareSettings
from tailorlm.core.machine import environment
from tailorlm.core.runs import Run
from tailorlm.evaluation import AgainstBest, Comparison, Cost, Predictions, compare, recommend, tables
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.kinds.ranking import first_right
from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.presets import METHODS

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
    shown = _Shown(outcome, str(settings.metric), first)
    return {
        "format": FORMAT,
        "version": VERSION,
        "tailorlm": environment()["tailorlm"],
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(outcome.seconds, 1),
        "title": title,
        "repeat": repeat,
        "task": _task(outcome),
        "base": _bases(outcome)[0],
        "bases": _bases(outcome),
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
        **({"retrieved": shown.retrieved(advice.name)} if outcome.split.test.pool else {}),
        "groups": group_tables(outcome.split, first, advice.name, settings),
        "disagreements": [shown.row(i) for i in tables.disagreements(first, ROWS_SHOWN)],
        "all_wrong": [shown.row(i) for i in tables.all_wrong(first)[:ROWS_SHOWN]],
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
    metric = metric_of(name)
    return {"name": name, "version": metric.version, "higher_is_better": metric.higher_is_better}


def _way(
    way: WayRuns, judged: Comparison, predictions: Sequence[Predictions], settings: CompareSettings
) -> dict[str, Any]:
    name, preset = way.recipe.name, METHODS.get(way.recipe.method or "")
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
        "answered": way.runs[0].record.get("answered"),
        "retrieval": way.runs[0].record.get("retrieval"),
        "steps": way.runs[0].record.get("steps"),
        "forgotten": _middle([run.record.get("forgotten") for run in way.runs]),
        "tasks": _middle([run.record.get("tasks") for run in way.runs]),
        "against_best": _plain(against) if against is not None else None,
        "verdict": against.verdict if against is not None else "best",
    }


def _middle(values: Sequence[Any]) -> Any:
    """Of equal trees of plain values the medians over seeds; the first where they are no numbers."""
    first = values[0] if values else None
    if isinstance(first, Mapping):
        return {key: _middle([value[key] for value in values if value and key in value]) for key in first}
    numbers = isinstance(first, int | float) and not isinstance(first, bool)
    return statistics.median(values) if numbers else first


def _plain(against: AgainstBest) -> dict[str, Any]:
    return {key: value for key, value in asdict(against).items() if key not in {"name", "verdict"}}


def _cost(runs: Sequence[Run]) -> Cost:
    # Over seeds the median, so that one disturbed run does not decide what a way costs; memory is the worst seen.
    values = {f.name: [run.record["cost"].get(f.name, 0) for run in runs] for f in fields(Cost)}
    middle = {name: statistics.median(value) for name, value in values.items()}
    whole = {name: round(middle[name]) for name in ("trainable_parameters", "stored_bytes")}
    return Cost(**(middle | whole | {"peak_memory_bytes": max(values["peak_memory_bytes"])}))


def _predictions(run: Run, ids: tuple[str, ...]) -> Predictions:
    kept = Predictions.from_jsonl(run.folder / "predictions.jsonl", labels=run.record["labels"])
    return replace(
        kept, ids=ids
    )  # the same rows, in an earlier sitting perhaps read by another path and so named otherwise


class _Shown:
    """Test rows with what each way answered, as the report shows them: texts, right or wrong, each answer's own score, what it cites."""

    def __init__(self, outcome: Outcome, metric: str, ways: Mapping[str, Predictions]):
        self.ways = ways
        self.texts = dict(zip(outcome.split.test.ids, outcome.split.test.texts, strict=True))
        self.pool = outcome.split.test.pool
        self.kind = kind_of(next(iter(ways.values())).kind)
        self.details = {way.recipe.name: read_details(way.runs[0].folder) for way in outcome.ways if not way.error}
        self.scores = {name: _by_row(metric, predictions) for name, predictions in ways.items()}

    def row(self, index: int) -> dict[str, Any]:
        """One row."""
        first = next(iter(self.ways.values()))
        given = {name: predictions.predicted[index] for name, predictions in self.ways.items()}
        found = {
            "id": first.ids[index],
            "text": self.texts[first.ids[index]],
            "gold": self._said(first.gold[index]),
            "answers": {name: self._said(value) for name, value in given.items()},
            "right": [name for name, value in given.items() if self.kind.right(first.gold[index], value)],
        }
        scores = {name: round(values[index], 3) for name, values in self.scores.items() if values is not None}
        cited = {
            name: _citations(told[index]) for name, told in self.details.items() if told and _citations(told[index])
        }
        found |= ({"scores": scores} if scores else {}) | ({"cited": cited} if cited else {})
        marks = getattr(self.kind, "marks", None)  # of answers that stand in the text
        if marks is None:
            return found
        places = {name: marks(value) for name, value in given.items()}
        return found | {"marks": {"gold": marks(first.gold[index]), "answers": places}}

    def _said(self, value: Any) -> str:
        """An answer as it is shown; names of passages by their texts."""
        return self.kind.shown([self.pool.get(name, name) for name in value] if self.pool else value)

    def retrieved(self, way: str) -> list[dict[str, Any]]:
        """Queries with what one way found first, those whose right passage it put last, or did not find, at the top.

        `at` is the place of the first right passage, None where it is not among those ranked; `missing` the right passage that is not shown.
        """
        found, details = self.ways[way], self.details[way]
        ranks = [first_right(*pair) for pair in zip(found.gold, found.predicted, strict=True)]
        order = sorted(range(len(found)), key=lambda i: -(ranks[i] or len(self.pool) + 1))
        rows = []
        for i in order[:ROWS_SHOWN]:
            gold, shown = set(found.gold[i]), details[i].get("passages", ())
            there = {one["id"] for one in shown}
            passages = [{"text": one["text"], "score": one["score"], "right": one["id"] in gold} for one in shown]
            missing = next((self.pool[name] for name in found.gold[i] if name not in there), None)
            row = {"id": found.ids[i], "text": self.texts[found.ids[i]], "at": ranks[i], "passages": passages}
            rows.append(row | ({} if there & gold else {"missing": missing}))
        return rows


def _by_row(metric: str, predictions: Predictions) -> list[float] | None:
    """The metric of each row alone, for graded answers whose score is a mean over rows; None for others."""
    measure = metric_of(metric)
    if measure.averages_over != "parts" or measure.reads not in ("text", "ranking"):
        return None
    evidence = measure.evidence(predictions)
    return [float(value) for value in evidence.resampled(np.arange(len(predictions))[:, None])]


def _citations(detail: Mapping[str, Any]) -> list[str]:
    """`guide.md 120-340` for each passage that an answer names, and how many it names that it was not shown."""
    named = dict.fromkeys(f"{one['document']} {one['start']}-{one['end']}" for one in detail.get("citations", ()))
    lost = len(detail.get("ungrounded", ()))
    return [*named, *([f"{lost} that it was not shown"] if lost else [])]


def _bases(outcome: Outcome) -> list[dict[str, Any]]:
    """The base models that took part, each once."""
    records = [run.record for way in outcome.ways for run in way.runs]
    used = [one["base"] for record in records for one in [*(record.get("steps") or ()), record]]
    return list({base["fingerprint"]: dict(base) for base in used}.values())
