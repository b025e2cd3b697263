"""What the steps of ways in steps did, one line a step: what answers it, what it learnt from, its own scores."""

from __future__ import annotations

from typing import Any

from tailorlm.comparison.report import format as fmt
from tailorlm.evaluation.wording import metric_title

# How many of a step's scores are shown.
SHOWN = 2
_FROM = {
    "gold": "right answers",
    "out_of_fold": "answers of fits that did not see the row",
    "answers": "its own answers",
}


def step_tables(ways: list[tuple[dict[str, Any], str]]) -> list[dict[str, Any]]:
    """One table for each way in steps: its title, and for each step its cells as text. ways: with their titles, in order."""
    return [
        {"title": title, "rows": [step_row(step) for step in way["steps"]], "words": _words(way["steps"])}
        for way, title in ways
        if way.get("steps")
    ]


def step_row(step: dict[str, Any]) -> dict[str, str]:
    """The cells of one step: `name`, `task`, `base`, `learnt`, `came`, `scores`."""
    base, learnt = (step.get("base") or {}).get("name"), step.get("learnt") or {}
    return {
        "name": fmt.one_line(step.get("name"), 80),
        "task": fmt.one_line(step.get("task"), 40),
        "base": fmt.one_line(base, 120) or fmt.NOTHING,
        "learnt": fmt.whole(learnt["with_answer"]) if learnt.get("learns") else fmt.NOTHING,
        "came": fmt.whole(step.get("rows")),
        "scores": scores(step),
    }


def scores(step: dict[str, Any]) -> str:
    """'Accuracy 0.844 [0.682, 0.931], macro F1 0.813 [0.672, 1.000]'; on how many rows, where not all have a right answer."""
    found = list((step.get("scores") or {}).items())[:SHOWN]
    shown = [f"{metric_title(name)} {fmt.score_interval(score)}" for name, score in found]
    if not shown:
        return "no right answers to score by" if step.get("rows") else fmt.NOTHING
    few = step["scored"] < step["rows"]
    return ", ".join(shown) + (f" on {fmt.whole(step['scored'])} rows" if few else "")


def _words(steps: list[dict[str, Any]]) -> str:
    """What the steps behind each learnt from, in a sentence; nothing where none did."""
    told = []
    for step in steps:
        counts = (step.get("learnt") or {}).get("passed_on") or {}
        parts = [f"{fmt.whole(count)} with {_FROM[kind]}" for kind, count in counts.items() if kind in _FROM]
        told += [f"{fmt.one_line(step.get('name'), 80)}: {', '.join(parts)}"] if parts else []
    return f"While later steps learnt, train rows went on from {'; from '.join(told)}." if told else ""
