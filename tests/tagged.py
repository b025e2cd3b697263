"""Rows with tags, made from the tiny models' own words."""

from __future__ import annotations

from typing import Any

from tailorlm.data.rows import Row, Rows
from tiny import TOPICS

WORDS = [word for topic in ("money", "food", "travel") for word in TOPICS[topic].split()]


def tagged(count: int, start: int = 0, length: int = 7) -> Rows:
    """Rows of tokens: food words are `food`, money words in a run one `money`, travel words nothing."""
    rows = []
    for i in range(start, start + count):
        tokens = [WORDS[(i * 7 + j * 13) % len(WORDS)] for j in range(length)]
        tags, before = [], ""
        for token in tokens:
            kind = next((topic for topic in ("money", "food") if token in TOPICS[topic].split()), "")
            tags.append(f"{'I' if kind == before == 'money' else 'B'}-{kind}" if kind else "O")
            before = kind
        rows.append(Row({"tokens": tokens, "tags": tags}, "tags.jsonl", i + 1))
    return Rows(tuple(rows), ("tokens", "tags"))


def rows_of(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(key for value in values for key in value))
    return Rows(tuple(Row(value, "t.jsonl", i) for i, value in enumerate(values, 1)), columns)
