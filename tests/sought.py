"""Rows of queries and passages, made from the tiny models' own words."""

from __future__ import annotations

from typing import Any

from tailorlm.data.rows import Row, Rows
from tailorlm.tasks import tasks
from tailorlm.tasks.base import Examples
from tiny import COMMON, TOPICS


def sought(count: int, start: int = 0, *, wrong: int = 0) -> Rows:
    """A query of two words of a topic, answered by a passage with three others of it. wrong: passages of other topics beside it."""
    rows, names, common = [], sorted(TOPICS), COMMON.split()
    for i in range(start, start + count):
        words = TOPICS[names[i % len(names)]].split()
        asked = [words[(i + j) % 20] for j in (0, 7)]
        said = [words[(i + j) % 20] for j in (3, 11, 17)] + [common[(5 * i + j) % len(common)] for j in range(3)]
        others = [TOPICS[names[(i + 1 + j) % len(names)]].split() for j in range(wrong)]
        values: dict[str, Any] = {"query": " ".join([common[i % len(common)], *asked]), "positive": " ".join(said)}
        values |= {"negatives": [" ".join(other[(i + j) % 20] for j in range(4)) for other in others]} if wrong else {}
        rows.append(Row(values, "sought.jsonl", i + 1))
    return Rows(tuple(rows), tuple(rows[0].values))


def prepared(count: int, start: int = 0, *, wrong: int = 0, **settings: Any) -> Examples:
    """The same as examples of the task."""
    part = tasks.get("retrieve")
    found: Examples = part(part.Settings(**settings)).prepare(sought(count, start, wrong=wrong), what="train")
    return found
