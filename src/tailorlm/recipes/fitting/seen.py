"""Rows as the model sees them, for who looks at them before the first step: the text of one, how many end, what was too long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tailorlm.models.tokens import stretches
from tailorlm.training.job import Event, Shown
from tailorlm.training.lesson import Lesson
from tailorlm.training.token_rows import TokenRows

Decode = Callable[[Sequence[int]], str]


def of_tokens(lesson: Lesson, decode: Decode) -> Shown | None:
    """The first row of a lesson that learns tokens, with those that its first pass learns; None for other lessons."""
    rows = getattr(lesson, "rows", None)
    if not isinstance(rows, TokenRows) or not len(rows):
        return None
    learned = getattr(lesson, "hidden", getattr(lesson, "targets", rows.learned))
    own = slice(0, int(rows.borders[1]))
    return lambda: stretches(decode, np.asarray(rows.ids[own]).tolist(), np.asarray(learned[own]).tolist())


def of_label(ids: Sequence[int], label: str, decode: Decode) -> Shown:
    """A row that is read whole, and the answer that is learned of it."""
    return lambda: [(decode(list(ids)), False), (" ", False), (label, True)]


def ends_of(rows: TokenRows, stops: frozenset[int]) -> int:
    """In how many rows the last token is one to stop at, and learned."""
    last = rows.borders[1:] - 1
    return int((np.asarray(rows.targets())[last] & np.isin(np.asarray(rows.ids)[last], sorted(stops))).sum())


def cut_event(what: str, of: int, max_length: int, rows: int, tokens: int, **answers: int) -> Event:
    """An event about rows that were too long. what: the word for them. of: how many there are. tokens: those left out of what is read."""
    told = {"event": "cut", "what": what, "rows": rows, "of": of, "max_length": max_length, "tokens": tokens}
    return told | answers
