"""What a sample of rows shows of each column: the evidence on which the shape of rows is decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from tailorlm.data.rows import Row, as_text

FITS = 0.9
"""The share of a column's values that must fit a role: one broken row must not hide what all others show."""
LONGEST_LABEL = 100
_FEW = 20  # below this many values, repetition proves nothing


class Facts:
    """The columns of a sample. A value counts as missing when it is None or an empty string."""

    def __init__(self, columns: Sequence[str], sample: Sequence[Row]):
        self.columns = tuple(columns)
        self.rows: tuple[dict[str, Any], ...] = tuple(row.values for row in sample)
        self._values: dict[str, list[Any]] = {}

    def values(self, column: str) -> list[Any]:
        """The values of a column that are there."""
        if column not in self._values:
            self._values[column] = [v for row in self.rows if (v := row.get(column)) is not None and v != ""]
        return self._values[column]

    def share(self, column: str, fits: Callable[[Any], bool]) -> float:
        """The share of a column's values for which `fits` holds; 0 for a column without values."""
        values = self.values(column)
        return sum(map(fits, values)) / len(values) if values else 0.0

    def mostly(self, column: str, fits: Callable[[Any], bool]) -> bool:
        """Whether `fits` holds for nearly all values of the column, and there are some."""
        return self.share(column, fits) >= FITS

    def distinct(self, column: str) -> int:
        """How many different values a column of scalars holds."""
        return len({as_text(value) for value in self.values(column) if is_scalar(value)})


def known_as(column: str) -> str:
    """The name by which a column is compared: `Review-Text ` and `review_text` are the same."""
    return column.strip().lower().replace("-", "_").replace(" ", "_")


def is_scalar(value: Any) -> bool:
    """A string, a finite number, true or false."""
    return isinstance(value, str | bool | int) or (isinstance(value, float) and value == value and abs(value) != 1e999)


def structured(value: Any) -> Any:
    """A list or object, also where a table holds it as JSON text; None for anything else."""
    if isinstance(value, list | dict):
        return value
    if isinstance(value, str) and value[:1] in ("[", "{") and value[-1:] in ("]", "}"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None
    return None


def is_text(facts: Facts, column: str) -> bool:
    """Strings that are no JSON."""
    return facts.mostly(column, lambda value: isinstance(value, str) and structured(value) is None)


def is_label(facts: Facts, column: str) -> bool:
    """Short scalars of which there are fewer than rows; in a small sample any short ones."""
    values = facts.values(column)
    short = facts.mostly(
        column, lambda v: is_scalar(v) and structured(v) is None and (not isinstance(v, str) or len(v) <= LONGEST_LABEL)
    )
    return short and (len(values) < _FEW or facts.distinct(column) <= len(values) / 2)


def is_number(facts: Facts, column: str) -> bool:
    """Numbers, also as the text of a table."""
    return facts.mostly(column, lambda value: not isinstance(value, bool) and _number(value))


def is_list_of_text(facts: Facts, column: str) -> bool:
    """Lists of strings; an empty list fits, but not a column of nothing else."""
    return facts.mostly(column, _text_list) and any(structured(value) for value in facts.values(column))


def list_of(*needed: str) -> Callable[[Facts, str], bool]:
    """A test for lists of objects that all have the keys `needed`."""

    def fits(facts: Facts, column: str) -> bool:
        return facts.mostly(column, lambda v: _objects(v, needed)) and any(structured(v) for v in facts.values(column))

    return fits


def listed(columns: Mapping[str, str | tuple[str, ...]]) -> str:
    """The columns by role, for messages: `text = review, label = stars`."""
    return ", ".join(
        f"{role} = {column if isinstance(column, str) else _together(column)}" for role, column in columns.items()
    )


def _together(columns: Sequence[str], most: int = 20) -> str:
    left = len(columns) - most
    return " + ".join(columns[:most]) + (f" + {left:,} more" if left > 0 else "")


@cache
def _floats(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) < 30 and _floats(value))


def _text_list(value: Any) -> bool:
    found = structured(value)
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def _objects(value: Any, needed: Sequence[str]) -> bool:
    found = structured(value)
    return isinstance(found, list) and all(
        isinstance(item, dict) and all(key in item for key in needed) for item in found
    )
