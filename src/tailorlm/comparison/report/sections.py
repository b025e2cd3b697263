"""The parts of the page below its table: how to read it, data, labels, rows, search, recipes, origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailorlm.comparison.report import format as fmt
from tailorlm.evaluation.wording import metric_title

SHORT_FINGERPRINT = 16  # the whole of it stands in comparison.json

_PARTS = (("train", "Train"), ("validation", "Validation"), ("test", "Test"))


def reading(result: dict[str, Any], metric: str) -> list[str]:
    """How to read the table, in a few sentences that anybody understands."""
    settings, rows = result.get("settings") or {}, ((result.get("data") or {}).get("test") or {}).get("rows")
    level = fmt.number(settings.get("level")) or 0.95
    ways = [way for way in result.get("ways") or [] if way.get("status") != "failed"]
    told = [
        f"The bracket behind a score is its {fmt.percent(level)} interval: where the {metric} on endless rows of this "
        f"kind plausibly lies, given what was seen on {fmt.whole(rows)} test rows."
    ]
    forgotten = _about_forgetting(ways)
    if not any(way.get("against_best") for way in ways):
        return [*told, *forgotten]
    return [
        *told,
        "Every way answered the same test rows, so each is compared with the best one row by row. The adjusted p says "
        "how often chance alone would show a difference this large if the two were equally good, corrected for "
        f"comparing {len(ways)} ways and for picking the best of them.",
        f"A way is called worse where the adjusted p is below {1 - level:.4g}.",
        "“Cannot be told apart” does not mean equal: these rows do not suffice to say which of the two is better, and "
        "more test rows might. Until then, cost is a fair reason to choose.",
        *forgotten,
        *_about_seeds(settings),
    ]


def _about_forgetting(ways: list[dict[str, Any]]) -> list[str]:
    """What the last column says, where something was measured."""
    found = [way["forgotten"] for way in ways if isinstance(way.get("forgotten"), dict)]
    found += [step for one in found for step in one.get("steps", {}).values()]
    told = []
    if any("drift" in one for one in found):
        told.append(
            "Forgotten, for an encoder: how far its vectors of general sentences have moved from the base's (1 minus linear CKA, "
            "from 0, alike, to 1, unrelated). It says how much was overwritten, not whether that was needed."
        )
    if any("drift" not in one and "language" in one for one in found):
        told.append(
            "Forgotten, for a model that writes: how much more a token of general text costs it than the base, in nats; "
            "below 0 it reads such text better than before."
        )
    return told


def _about_seeds(settings: dict[str, Any]) -> list[str]:
    """What one seed cannot tell, where there was only one."""
    seeds = settings.get("seeds")
    if isinstance(seeds, list) and len(seeds) > 1:
        return []
    return [
        "There was one seed: the verdicts are about these trained models. Training again could give others; "
        "--seeds 3 takes that into account."
    ]


def data(result: dict[str, Any]) -> dict[str, Any]:
    """The rows that were used, where they came from, and what was found in them."""
    facts = result.get("data") or {}
    parts = []
    for key, title in _PARTS:
        part = facts.get(key)
        if not part:
            continue
        source = fmt.one_line(part.get("source")) or _taken(part)
        finger = fmt.one_line(part.get("fingerprint"), SHORT_FINGERPRINT + 1) or fmt.NOTHING
        parts.append({"title": title, "rows": fmt.whole(part.get("rows")), "source": source, "fingerprint": finger})
    findings = [
        {
            "code": fmt.one_line(finding.get("code")),
            "message": fmt.one_line(finding.get("message"), 400),
            "rows": [fmt.one_line(row, 200) for row in finding.get("rows") or []],
        }
        for finding in facts.get("findings") or []
    ]
    return {
        "parts": parts,
        "notes": [fmt.one_line(note, 400) for note in facts.get("notes") or []],
        "findings": findings,
    }


def per_label(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every label, the weakest first."""
    rows = []
    for entry in result.get("per_label") or []:
        f1 = fmt.number(entry.get("f1"))
        rows.append(
            {
                "label": fmt.one_line(entry.get("label"), 120),
                "n": fmt.whole(entry.get("n")),
                "precision": fmt.score(entry.get("precision")),
                "recall": fmt.score(entry.get("recall")),
                "f1": fmt.score(f1),
                "bar": None if f1 is None else min(max(f1, 0.0), 1.0) * 100.0,
            }
        )
    return sorted(rows, key=lambda row: (row["bar"] is not None, row["bar"] or 0.0, row["label"]))


def most_confused(result: dict[str, Any]) -> list[dict[str, str]]:
    """The pairs of labels that the recommended way mistakes most often."""
    totals = {fmt.clean(entry.get("label")): entry.get("n") for entry in result.get("per_label") or []}
    pairs = []
    for pair in result.get("most_confused") or []:
        total = fmt.number(totals.get(fmt.clean(pair.get("gold"))))
        of = f" of {fmt.whole(total)}" if total else ""
        gold, predicted = fmt.one_line(pair.get("gold"), 120), fmt.one_line(pair.get("predicted"), 120)
        pairs.append({"gold": gold, "predicted": predicted, "count": fmt.whole(pair.get("count")), "of": of})
    return pairs


def found(retrieval: dict[str, Any] | None) -> str:
    """How good a way's search for passages is: 'recall@3 0.840 [0.771, 0.903], MRR ..., nDCG ... (120 rows, by document)'."""
    scores, told = (retrieval or {}).get("scores") or {}, retrieval or {}
    if not scores:
        return fmt.NOTHING
    name = f"recall@{told.get('k')}"
    shown = [f"{word} {_sure(told, key)}" for word, key in ((name, name), ("MRR", "mrr@10"), ("nDCG", "ndcg@10"))]
    by = "by document" if told.get("by") == "document" else "by the answer's words"
    without = f", {fmt.whole(told['without'])} without a known one" if told.get("without") else ""
    return f"{', '.join(shown)} ({fmt.whole(told.get('rows'))} rows, {by}{without})"


def recall(retrieval: dict[str, Any] | None) -> str:
    """Recall at the k that is shown, with its interval: '0.840 [0.771, 0.903]'."""
    told = retrieval or {}
    return _sure(told, f"recall@{told.get('k')}") if told.get("scores") else fmt.NOTHING


def _sure(told: dict[str, Any], name: str) -> str:
    low, high = (told.get("intervals") or {}).get(name) or (None, None)
    entry = {"value": (told.get("scores") or {}).get(name), "low": low, "high": high}
    return fmt.score_interval(entry) if low is not None else fmt.score(entry["value"])


def levels(result: dict[str, Any]) -> list[dict[str, str]]:
    """What is right at each level, where labels are paths."""
    return [
        {
            "level": fmt.whole(row.get("level")),
            "names": fmt.whole(row.get("names")),
            "n": fmt.whole(row.get("n")),
            "right": fmt.score(row.get("right")),
        }
        for row in result.get("levels") or []
    ]


def quotes(result: dict[str, Any]) -> list[dict[str, str]]:
    """What was answered to questions with an answer in their context, and to those without."""
    words = {"an answer": "Questions with an answer", "no answer": "Questions without one"}
    return [
        {
            "rows": words.get(row.get("rows_with"), fmt.one_line(row.get("rows_with"))),
            **{key: fmt.whole(row.get(key)) for key in ("n", "quoted", "not_in_text", "no_answer")},
            **{key: fmt.score(row.get(key)) for key in ("token_f1", "exact_match")},
        }
        for row in result.get("quotes") or []
    ]


def groups(result: dict[str, Any], order: list[Any]) -> list[dict[str, Any]]:
    """Scores on parts of the rows, one table a way of parting them; the recommended way first, then as in the table."""
    chosen = result.get("recommended")
    ways = sorted(order, key=lambda name: name != chosen)
    titles = {
        way.get("name"): fmt.one_line(way.get("title") or way.get("name"), 80) for way in result.get("ways") or []
    }
    tables = []
    for table in result.get("groups") or []:
        rows = [
            {
                "group": fmt.one_line(row.get("group"), 80),
                "n": fmt.whole(row.get("n")),
                "scores": [fmt.score((row.get("scores") or {}).get(name)) for name in ways],
                "interval": fmt.interval(row.get("low"), row.get("high")),
            }
            for row in table.get("rows") or []
        ]
        tables.append({"by": fmt.one_line(table.get("by"), 80), "ways": [titles[name] for name in ways], "rows": rows})
    return tables


def tasks(result: dict[str, Any], order: list[Any]) -> list[dict[str, Any]]:
    """Other tasks that ways have learnt besides, one row a way and task."""
    return [{"title": title} | one for way, title in in_order(result, order) for one in fmt.tasks(way.get("tasks"))]


def every_score(result: dict[str, Any], order: list[Any]) -> dict[str, Any]:
    """Every metric of every way with interval, n and the value of each seed, and both tests against the best."""
    rows, main = [], (result.get("metric") or {}).get("name")
    for way, title in in_order(result, order):
        against = way.get("against_best") or {}
        for name, entry in (way.get("scores") or {}).items():
            first = name == main
            rows.append(
                {
                    "title": title,
                    "metric": metric_title(name),
                    "score": fmt.score_interval(entry),
                    "n": fmt.whole(entry.get("n")),
                    "seeds": " · ".join(fmt.score(value) for value in entry.get("per_seed") or []) or fmt.NOTHING,
                    "won_lost": _won_lost(against) if first else "",
                    "p_bootstrap": fmt.p_value(against.get("p_bootstrap")) if first else "",
                    "p_adjusted": fmt.p_value(against.get("p_adjusted")) if first else "",
                    "p_mcnemar": fmt.p_value(against.get("p_mcnemar")) if first else "",
                    "p_mcnemar_adjusted": fmt.p_value(against.get("p_mcnemar_adjusted")) if first else "",
                }
            )
    seeds = [fmt.setting(seed) for seed in (result.get("settings") or {}).get("seeds") or []]
    return {"rows": rows, "seeds": seeds}


def search(result: dict[str, Any], order: list[Any]) -> list[dict[str, Any]]:
    """What the search tried for each way, one table per seed, with the chosen line marked."""
    seeds = (result.get("settings") or {}).get("seeds") or []
    told = []
    for way, title in in_order(result, order):
        chosen = [entry or {} for entry in way.get("chosen") or []]
        tables = []
        for number, tries in enumerate(way.get("search") or []):
            if tries:
                seed = fmt.setting(seeds[number]) if number < len(seeds) else str(number)
                tables.append({"seed": seed, **_tries(tries, chosen[number] if number < len(chosen) else {})})
        said = "; ".join(dict.fromkeys(_settings_text(entry) for entry in chosen if entry))
        faults = [row["fault"] for table in tables for row in table["rows"] if row["fault"]]
        summary = _tried([len(table["rows"]) for table in tables]) + (f", chosen: {said}" if said else "")
        summary += f"; {len(faults)} failed: {'; '.join(dict.fromkeys(faults))}" if faults else ""
        told.append({"title": title, "summary": fmt.one_line(summary, 300), "tables": tables})
    return told


def recipes(result: dict[str, Any], order: list[Any]) -> list[dict[str, str]]:
    """The recipe of every way as YAML."""
    from tailorlm.core.yaml import dump_yaml

    return [
        {"title": title, "yaml": fmt.clean(dump_yaml(way["recipe"]))}
        for way, title in in_order(result, order, failed=True)
        if way.get("recipe")
    ]


def origin(result: dict[str, Any]) -> dict[str, Any]:
    """How the comparison came about: command, settings, environment."""
    base, runs = result.get("base") or {}, [run for way in result.get("ways") or [] for run in way.get("runs") or []]
    settings = [_pair(key, value) for key, value in (result.get("settings") or {}).items()]
    environment = [_pair(key, value) for key, value in (result.get("environment") or {}).items()]
    environment.append(
        ("base fingerprint", fmt.one_line(base.get("fingerprint"), SHORT_FINGERPRINT + 1) or fmt.NOTHING)
    )
    shown = [fmt.one_line(run, 120) for run in runs]
    return {"repeat": fmt.clean(result.get("repeat")), "settings": settings, "environment": environment, "runs": shown}


def in_order(result: dict[str, Any], order: list[Any], failed: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """The ways in the order of the table, with their titles; the failed ones only where asked for."""
    ways = {way.get("name"): way for way in result.get("ways") or []}
    for name in order:
        way = ways[name]
        if failed or way.get("status") != "failed":
            yield way, fmt.one_line(way.get("title") or name, 80)


def _pair(key: str, value: Any) -> tuple[str, str]:
    shown = fmt.size(value) if key.endswith("_bytes") else fmt.setting(value)
    return fmt.one_line(key).removesuffix("_bytes").replace("_", " "), shown


def _won_lost(against: dict[str, Any]) -> str:
    won, lost = fmt.number(against.get("rows_won")), fmt.number(against.get("rows_lost"))
    return fmt.NOTHING if won is None or lost is None else f"{won:,.0f} / {lost:,.0f}"


def _taken(part: dict[str, Any]) -> str:
    taken, trial = fmt.one_line(part.get("taken_from")), fmt.number(part.get("trial_rows"))
    if not taken:
        return fmt.NOTHING
    return f"taken from the {taken} rows" + (f"; a trial learned from {fmt.whole(trial)} others" if trial else "")


def _tries(tries: list[dict[str, Any]], chosen: dict[str, Any]) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for entry in tries for key in entry.get("settings") or {}))
    rows, taken = [], False
    for entry in tries:
        settings = entry.get("settings") or {}
        # Only one line is the chosen one, even where two tries had the same settings.
        match = not (taken or entry.get("fault")) and bool(settings)
        match = match and all(chosen.get(key) == value for key, value in settings.items())
        taken = taken or match
        rows.append(
            {
                "chosen": match,
                "cells": [fmt.setting(settings.get(key)) for key in keys],
                "score": fmt.score(entry.get("score")),
                "loss": fmt.score(entry.get("loss")),
                "epochs": fmt.setting(entry.get("epochs")),
                "fault": fmt.one_line(entry.get("fault"), 200),
            }
        )
    return {"names": [fmt.one_line(key, 80) for key in keys], "rows": rows}


def _tried(amounts: list[int]) -> str:
    if not amounts:
        return "nothing to search"
    each = f" with each of {len(amounts)} seeds" if len(amounts) > 1 and len(set(amounts)) == 1 else ""
    return f"{fmt.plural(amounts[0] if each else sum(amounts), 'setting')} tried{each}"


def _settings_text(settings: dict[str, Any]) -> str:
    """`{'stages.0.weights.lr': 0.001}` -> 'lr 0.001': the last word of a key is enough in a summary."""
    return ", ".join(f"{fmt.one_line(key).rpartition('.')[2]} {fmt.setting(value)}" for key, value in settings.items())
