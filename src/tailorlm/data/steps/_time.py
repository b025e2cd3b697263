"""Times in a column: ISO dates, or numbers (years, seconds, ...), one kind in one column."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from tailorlm.core.errors import CheckError, UsageError, unknown_name
from tailorlm.data.rows import as_text
from tailorlm.data.steps.base import Item


def cell(item: Item, column: str | None) -> str:
    """The text of one cell; '' where it is missing. Raises UsageError for a column that the row has not.

    A CheckError names file and line where the cell holds a list or an object.
    """
    assert column is not None
    if column not in item.values:
        fault = unknown_name("column", column, item.values)
        raise UsageError(f"{item.where}: {fault.what}", allowed=fault.allowed, hint=fault.hint)
    value = item.values[column]
    if isinstance(value, list | dict):
        what = f"{item.where}: the column {column!r} holds a list or an object"
        raise CheckError(what, allowed="one value a row", hint="name another column")
    return "" if value is None else as_text(value)


def told_time(item: Item, column: str | None) -> float:
    """The time in a cell (see `time_of`); a CheckError names file and line."""
    text = cell(item, column)
    try:
        return time_of(text)
    except UsageError:
        what = f"{item.where}: the column {column!r} holds no time"
        allowed = "an ISO date or time (2026-11-21T14:00), or a number"
        raise CheckError(what, allowed=allowed, hint="mend or leave out the row, or name another column") from None


def time_of(text: str) -> float:
    """ISO dates as seconds since 1970, numbers as they are."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError("this is no time", allowed="an ISO date or time, or a number") from None
        value = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(value):
        raise UsageError("this is no time", allowed="an ISO date or time, or a number")
    return value


def is_number(text: str) -> bool:
    """Whether a time is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
