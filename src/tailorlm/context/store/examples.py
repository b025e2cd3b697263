"""A row as an example: what was asked and what the right answer is; and the query it is shown for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One train row. id: its name in the data (file:line or an id column). text: what was asked. answer: as it shall be written.

    label: the class the answer stands for, where rows have classes; balancing goes by it.
    """

    id: str
    text: str
    answer: str
    label: str | None = None


@dataclass(frozen=True)
class Query:
    """What is asked now. id: the row's name when it is a row of the data; then the row itself is never its own example.

    For a row of the data, rows with the same id or the same text (`data.quality.normalised`) are left out. A bare text, as it comes in
    serving, leaves nothing out: if the very same question was answered before, that answer is the best example there is.
    """

    text: str
    id: str | None = None
