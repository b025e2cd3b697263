"""What the tests of the command line pass to it and get from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tiny import labelled


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Tailor = Callable[..., Said]


def pairs(count: int, labels: int = 3, *, start: int = 0) -> list[tuple[str, str]]:
    """Different texts with their labels, a function of the arguments alone."""
    rows = labelled(count, labels, start=start)
    return [(f"{text} {start + i}", label) for i, (text, label) in enumerate(zip(rows.texts, rows.gold, strict=True))]
