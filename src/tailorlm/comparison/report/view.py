"""From a comparison's plain dict to what the pages show: words and numbers ready to print, in the order of the page."""

from __future__ import annotations

import re
from typing import Any

from tailorlm.comparison.report import answered, found, sections, sure
from tailorlm.comparison.report import format as fmt
from tailorlm.comparison.report.heatmap import heatmap
from tailorlm.comparison.report.scatter import pictures, score_domain
from tailorlm.comparison.report.steps import step_tables
from tailorlm.evaluation.wording import metric_title, metric_words

COLUMNS = ("Way", "Score", "Difference to best", "Verdict", "Fit", "Per row", "Memory", "Stored")
# Columns of comparisons in which passages are shown, answers paid for, or forgetting was measured: key in a way's row, and title.
MORE = {"found_text": "Passages found", "paid_text": "Price of 1,000", "forgotten_text": "Forgotten"}

_SHAPES = {"best": "best", "cannot be told apart": "same", "worse": "worse"}


def summary_rows(result: dict[str, Any]) -> list[list[str]]:
    """The comparison's table as short texts: one list per way, in the order of `result["ways"]`, as in `columns`.

    result: the content of comparison.json. The cells hold no control characters, but a way's name may hold square
    brackets: escape them where the terminal reads markup. Choose `render_markdown` for a page instead of a table.
    Example: `summary_rows(result)[0][1]` is '0.868 [0.843, 0.891]'.
    """
    metric, rows = _metric(result), []
    for given in result.get("ways") or []:
        way = _way_row(given, result, metric)
        verdict = way["verdict"] + (", recommended" if way["recommended"] else "")
        cells = [way["title"], way["score_text"], way["difference_text"], verdict, way["fit_text"]]
        cells += [way["per_row_text"], way["memory_text"], way["stored_text"]]
        rows.append(cells + [way[key] for key in more(result)])
    return rows


def columns(result: dict[str, Any]) -> list[str]:
    """Titles of the columns of `summary_rows`."""
    return [*COLUMNS, *more(result).values()]


def more(result: dict[str, Any]) -> dict[str, str]:
    """Which of `MORE` this comparison has anything for."""
    ways = result.get("ways") or []
    found = any((way.get("retrieval") or {}).get("scores") for way in ways)
    paid = any(fmt.number((way.get("cost") or {}).get("paid_per_1000_rows")) for way in ways)
    forgotten = any(isinstance(way.get("forgotten"), dict) for way in ways)
    there = {"found_text": found, "paid_text": paid, "forgotten_text": forgotten}
    return {key: title for key, title in MORE.items() if there[key]}


def view(result: dict[str, Any]) -> dict[str, Any]:
    """Everything that the pages show, as plain values. Texts of the user are still unescaped."""
    ways = way_rows(result)
    metric = _metric(result)
    scored = [way for way in ways if way["value"] is not None]
    return {
        **_head(result, ways),
        "metric": metric,
        "answer": _answer(result, ways, metric),
        "next": [fmt.clean(step) for step in result.get("next") or []],
        "ways": ways,
        "more": more(result),
        "told": [(way["title"], words) for way in ways for words in (way["found"], way["told"]) if words],
        "free_text": not (result.get("task") or {}).get("labels"),
        "answer_word": "Label" if (result.get("task") or {}).get("labels") else "Answer",
        "scored": len(scored),
        "any_difference": any(way["difference_text"] != fmt.NOTHING for way in ways),
        "bars": _bars(scored),
        "pictures": pictures(ways, metric["title"]) if len(scored) > 1 else [],  # one point compares nothing
        "picture_words": _picture_words(scored, metric),
        "reading": sections.reading(result, metric_words(metric["name"])),
        "data": sections.data(result),
        "per_label": sections.per_label(result),
        "heatmap": heatmap(result.get("confusion")),
        "heatmap_words": _heatmap_words(result),
        "label_count": len((result.get("confusion") or {}).get("labels") or []),
        "most_confused": sections.most_confused(result),
        "found_at": found.found_at(result),
        "retrieved": found.retrieved(result),
        "reliability": sure.reliability(result.get("calibration")),
        "coverage": sure.coverage(result.get("coverage")),
        "levels": sections.levels(result),
        "quotes": sections.quotes(result),
        "steps": step_tables(list(sections.in_order(result, [way["name"] for way in ways]))),
        "groups": sections.groups(result, [way["name"] for way in scored]),
        "disagreements": answered.rows(result, "disagreements"),
        "all_wrong_total": int(fmt.number(result.get("all_wrong_total")) or 0),
        "all_wrong": answered.rows(result, "all_wrong"),
        "all_wrong_title": "Rows that every way gets wrong" if len(scored) > 1 else "Rows answered wrongly",
        "tasks": sections.tasks(result, [way["name"] for way in ways]),
        "scores": sections.every_score(result, [way["name"] for way in ways]),
        "search": sections.search(result, [way["name"] for way in ways]),
        "recipes": sections.recipes(result, [way["name"] for way in ways]),
        "failed": [{"title": w["title"], "error": w["error"]} for w in ways if w["failed"]],
        **sections.origin(result),
    }


def way_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One dict per way, best score first, failed ways last."""
    metric = _metric(result)
    rows = [_way_row(way, result, metric) for way in result.get("ways") or []]
    sign = -1.0 if metric["higher"] else 1.0
    return sorted(rows, key=lambda row: (row["failed"], row["value"] is None, sign * (row["value"] or 0.0)))


def _way_row(way: dict[str, Any], result: dict[str, Any], metric: dict[str, Any]) -> dict[str, Any]:
    scores, cost, against = way.get("scores") or {}, way.get("cost") or {}, way.get("against_best") or {}
    failed = way.get("status") == "failed"
    main = {} if failed else scores.get(metric["name"]) or {}
    title = fmt.one_line(way.get("title") or way.get("name"), 80)
    verdict = "failed" if failed else fmt.one_line(way.get("verdict")) or fmt.NOTHING
    fit = fmt.number(cost.get("fit_seconds"))
    recommended = not failed and way.get("name") is not None and way.get("name") == result.get("recommended")
    score_text, difference_text = fmt.score_interval(main), fmt.difference_interval(against)
    tip = f"{title}: {metric['title']} {score_text}; {fmt.seconds(fit)} to fit; {verdict}"
    return {
        "name": way.get("name"),
        "title": title,
        "called": "" if _same_words(title, way.get("name")) else fmt.one_line(way.get("name"), 80),
        "summary": fmt.one_line(way.get("summary")),
        "failed": failed,
        "error": fmt.clean(way.get("error") or "no message was left"),
        "recommended": recommended,
        "verdict": verdict,
        "shape": _SHAPES.get(verdict, "none"),
        "value": fmt.number(main.get("value")),
        "low": fmt.number(main.get("low")),
        "high": fmt.number(main.get("high")),
        "fit": fit,
        "bar": None,
        "tip": tip + ("; recommended" if recommended else ""),
        "score_text": score_text,
        "value_text": fmt.score(main.get("value")),
        "interval_text": fmt.interval(main.get("low"), main.get("high")),
        "second_text": fmt.score((scores.get(metric["second"]) or {}).get("value"))
        if metric["second"]
        else fmt.NOTHING,
        "difference_text": difference_text,
        "difference_value": fmt.difference(against.get("difference")),
        "difference_interval": difference_text.partition(" ")[2],
        "p_text": fmt.p_value(against.get("p_adjusted")),
        "fit_text": fmt.seconds(fit),
        "last_fit_text": fmt.seconds(cost.get("last_fit_seconds")),
        "per_row_text": fmt.milliseconds(cost.get("predict_ms_per_row")),
        "memory_text": fmt.size(cost.get("peak_memory_bytes")),
        "trainable_text": fmt.count(cost.get("trainable_parameters")),
        "stored_text": fmt.size(cost.get("stored_bytes")),
        "found_text": sections.recall(way.get("retrieval")),
        "paid_text": fmt.price(cost.get("paid_per_1000_rows")),
        "told": answered.told(way.get("answered") or {}),
        "found": sections.found(way.get("retrieval")) if (way.get("retrieval") or {}).get("scores") else "",
        "forgotten_text": fmt.NOTHING if failed else fmt.forgotten(way.get("forgotten")),
    }


def _metric(result: dict[str, Any]) -> dict[str, Any]:
    facts = result.get("metric") or {}
    names = list(result.get("metrics") or [])
    name = facts.get("name") or (names[0] if names else "score")
    second = next((other for other in names if other != name), None)
    return {
        "name": name,
        "title": metric_title(name),
        "version": fmt.setting(facts.get("version")),
        "higher": facts.get("higher_is_better", True) is not False,
        "second": second,
        "second_title": metric_title(second) if second else None,
    }


def _head(result: dict[str, Any], ways: list[dict[str, Any]]) -> dict[str, Any]:
    task, facts = result.get("task") or {}, result.get("data") or {}
    labels = len(task.get("labels") or [])
    train, test = (fmt.whole((facts.get(part) or {}).get("rows")) for part in ("train", "test"))
    bases = [_base(one) for one in result.get("bases") or [result.get("base") or {}]]
    base = bases[0] if len(bases) == 1 else "of its recipe: " + ", ".join(bases)
    what = f"{fmt.plural(len(ways), 'way')} to {fmt.one_line(task.get('name') or 'answer')} rows"
    each = "Every way" if len(ways) > 1 else "The way"
    same = "the same " if len(ways) > 1 else ""
    return {
        "title": fmt.one_line(result.get("title") or "Comparison", 120),
        "what": what + (f" into {fmt.plural(labels, 'label')}" if labels else ""),
        "fairness": f"{each} began from the base model {base}, learned from {same}{train} train rows and answered "
        f"{same}{test} test rows.",
        "test_rows": test,
        "date": fmt.date(result.get("created")),
        "made_by": f"tailorlm {fmt.one_line(result.get('tailorlm'))}".rstrip(),
        # A comparison whose runs were all finished before takes no time that is worth a word.
        "took": f" in {fmt.seconds(result.get('seconds'))}" if (fmt.number(result.get("seconds")) or 0.0) >= 1 else "",
        "level": fmt.percent((result.get("settings") or {}).get("level", 0.95)),
    }


def _base(base: dict[str, Any]) -> str:
    name, origin = fmt.one_line(base.get("name")), fmt.one_line(base.get("origin"))
    return f"{name} ({origin})" if name and origin and origin != name else name or origin or "of their recipes"


def _answer(result: dict[str, Any], ways: list[dict[str, Any]], metric: dict[str, Any]) -> dict[str, Any]:
    reason = fmt.one_line(result.get("reason"))
    chosen = next((way for way in ways if way["recommended"]), None)
    if chosen is None:
        return {
            "title": None,
            "joint": "",
            "summary": "",
            "reason": reason or "No way could be fitted and scored.",
            "figures": [],
        }
    figures = [
        (metric["title"], chosen["value_text"], chosen["interval_text"]),
        ("To fit, search included", chosen["fit_text"], f"last fit {chosen['last_fit_text']}"),
        ("To answer one row", chosen["per_row_text"], ""),
        ("Peak memory", chosen["memory_text"], ""),
        ("To store", chosen["stored_text"], f"{chosen['trainable_text']} trained parameters"),
    ]
    shown = [{"label": label, "value": value, "note": note} for label, value, note in figures]
    # A reason that begins with the way's own name goes on behind its title: "Use LoRA: 0.868 accuracy, the best, …".
    prefix = f"{fmt.one_line(chosen['name'])}: "
    goes_on = reason.startswith(prefix)
    reason = reason.removeprefix(prefix)
    return {
        "title": chosen["title"],
        "joint": ":" if goes_on else ".",
        "summary": chosen["summary"],
        "reason": reason,
        "figures": shown,
    }


def _bars(scored: list[dict[str, Any]]) -> dict[str, Any]:
    """Puts a small bar (`bar`, in percent of the common axis) on every scored way; the ends of that axis."""
    low, high = score_domain(scored)
    best = next((way["value"] for way in scored if way["verdict"] == "best"), None)

    def at(value: float) -> float:
        return 4.0 + (value - low) / (high - low) * 92.0

    for way in scored:
        whisker = way["low"] is not None and way["high"] is not None
        ends = (at(way["low"]), at(way["high"])) if whisker else (at(way["value"]),) * 2
        way["bar"] = {
            "low": ends[0],
            "high": ends[1],
            "at": at(way["value"]),
            "best": None if best is None else at(best),
        }
    return {"low": fmt.score(low), "high": fmt.score(high)}


def _same_words(title: str, name: Any) -> bool:
    return re.sub(r"\W|_", "", title).lower() == re.sub(r"\W|_", "", str(name)).lower()


def _picture_words(scored: list[dict[str, Any]], metric: dict[str, Any]) -> str:
    """What a reader who cannot see the picture is told instead."""
    if not scored:
        return ""
    said = f"Scatter chart of {metric['title']} against the seconds it took to fit, {fmt.plural(len(scored), 'way')}. "
    best, slowest = scored[0], max(scored, key=lambda way: way["fit"] or 0.0)
    said += f"Best score: {best['title']} with {best['score_text']}, {best['fit_text']} to fit. "
    chosen = next((way for way in scored if way["recommended"]), None)
    said += (
        f"Recommended: {chosen['title']} with {chosen['score_text']}, {chosen['fit_text']} to fit. " if chosen else ""
    )
    return said + f"Slowest to fit: {slowest['title']}, {slowest['fit_text']}. The table below holds every figure."


def _heatmap_words(result: dict[str, Any]) -> str:
    counts = (result.get("confusion") or {}).get("counts") or []
    right = sum(row[i] for i, row in enumerate(counts) if i < len(row))
    total = sum(sum(row) for row in counts)
    return (
        f"Confusion matrix of {fmt.plural(len(counts), 'label')}: {right:,} of {total:,} test rows on the diagonal, "
        "which is right. The table above names the most frequent mistakes."
    )
