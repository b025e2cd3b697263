"""What choosers share that show the same rows for every query."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tailorlm.context.store import ExampleStore, Query


def drawn(store: ExampleStore, seed: int) -> list[int]:
    """All positions in an order that the seed and the rows' ids alone decide: rows that are added later do not stir the others."""
    keys = [hashlib.sha256(f"{seed}|{row.id}".encode("utf-8", "surrogatepass")).digest() for row in store.examples]
    return sorted(range(len(store)), key=lambda i: (keys[i], i))


def without_itself(order: Sequence[int], store: ExampleStore, queries: Sequence[Query], k: int) -> list[list[int]]:
    """The first k of one order for every query; where the query is one of them, the next one takes its place."""
    usual, answers = list(order[:k]), []
    for query in queries:
        own = store.itself(query)
        answers.append([i for i in order if i not in own][:k] if own else list(usual))
    return answers
