"""What a search found: at which places, and query by query with the right passages marked."""

from __future__ import annotations

from typing import Any

from tailorlm.comparison.report import format as fmt

LONGEST_QUERY, LONGEST_PASSAGE = 600, 400


def found_at(result: dict[str, Any]) -> list[dict[str, str]]:
    """How many test queries of the recommended way have their first right passage at which places."""
    lines = result.get("found_at") or []
    total = sum(int(fmt.number(line.get("n")) or 0) for line in lines)
    rows = []
    for line in lines:
        low, high, n = line.get("from"), line.get("to"), int(fmt.number(line.get("n")) or 0)
        where = "not among those ranked" if low is None else f"{low}" if low == high else f"{low} to {high}"
        rows.append(
            {"where": where, "n": fmt.whole(n), "share": fmt.percent(round(n / total, 2)) if total else fmt.NOTHING}
        )
    return rows


def retrieved(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Queries with the passages found first, those found latest or not at all at the top."""
    rows = []
    for entry in result.get("retrieved") or []:
        at = entry.get("at")
        passages = [
            {
                "text": fmt.one_line(one.get("text"), LONGEST_PASSAGE),
                "score": fmt.score(one.get("score")),
                "right": bool(one.get("right")),
            }
            for one in entry.get("passages") or []
        ]
        missing = entry.get("missing")
        rows.append(
            {
                "id": fmt.one_line(entry.get("id"), 200),
                "text": fmt.one_line(entry.get("text"), LONGEST_QUERY),
                "where": "no right passage was found" if at is None else f"the first right passage is number {at}",
                "missed": at != 1,
                "passages": passages,
                "missing": fmt.one_line(missing, LONGEST_PASSAGE) if missing is not None else "",
            }
        )
    return rows
