"""After the runs: the result, the report beside them, and what to try next."""

from __future__ import annotations

import shlex
from typing import Any

from tailorlm.comparison import report
from tailorlm.comparison.compare import Outcome
from tailorlm.comparison.request import Prepared, command, keep_request
from tailorlm.comparison.result import build_result


def finish(prepared: Prepared, outcome: Outcome) -> dict[str, Any]:
    """Judge the runs, write `report.html`, `report.md` and `comparison.json`, and return the result."""
    request = prepared.request
    rows = ", ".join(request.rows)
    sources = {"train": rows, "test": ", ".join(request.test) or f"held out of {rows}"}
    result = build_result(outcome, prepared.comparer.settings, title=rows, sources=sources, repeat=command(prepared))
    result["next"] = next_steps(prepared, result)
    keep_request(prepared)
    report.write(result, prepared.folder)
    return result


def next_steps(prepared: Prepared, result: dict[str, Any]) -> list[str]:
    """Commands that make sense after this answer."""
    winner = next(way for way in result["ways"] if way["name"] == result["recommended"])
    run = prepared.folder / "runs" / winner["runs"][0]
    steps = [f"tailor predict {shlex.quote(str(run))} NEW_ROWS.csv   # use the recommended way, fitted on these rows"]
    if len(result["settings"]["seeds"]) == 1:
        again = command(prepared)
        steps.append(f"{again} --seeds 3   # does the answer hold with other seeds? (finished runs are kept)")
    return steps
