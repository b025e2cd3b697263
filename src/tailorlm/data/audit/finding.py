"""What an audit says about one fault of a set of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["fault", "warning", "note"]
Cell = str | int | float

SEVERITIES: tuple[Severity, ...] = ("fault", "warning", "note")
"""Worst first. fault: training or scores on these rows are wrong until it is mended. warning: look before you train.
note: true, and worth knowing; often in the nature of the rows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found, worded for the person who owns the rows.

    code: its name, the same in every audit ('label-conflict'), to list, filter or silence by. message: what is the case,
    with numbers; never text of a row, so it may stand in a log. advice: what to do about it. rows: indices (from 0) of
    the rows concerned, in the order in which to look at them; empty where the set as a whole is meant. numbers: the
    figures of the message and those behind it. details: a small table, one mapping a line; may name words that stand in
    rows (a giveaway is a word), so it is left out of the repr and belongs in a report, not in a log.
    """

    code: str
    severity: Severity
    message: str
    advice: str
    rows: tuple[int, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    details: tuple[Mapping[str, Cell], ...] = field(default=(), repr=False)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, worst first; of one severity those that concern more rows first, then by code."""
    return sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), -len(found.rows), found.code))


def share(part: int | float, whole: int | float) -> str:
    """`part` of `whole` in per cent, as messages write it: '4.1 %', and '<0.1 %' for what would read as nothing."""
    value = 100 * part / whole if whole else 0.0
    if 0 < value < 0.1:
        return "<0.1 %"
    if 99.9 < value < 100:
        return ">99.9 %"
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: '1 row', '2,500 rows'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in quotes for a message: the first `most`, then how many more; long ones are cut."""
    every = list(names)
    shown = [f"'{name if len(name) <= 40 else name[:39] + '…'}'" for name in every[:most]]
    left = len(every) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")
