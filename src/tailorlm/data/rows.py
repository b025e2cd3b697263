"""The rows of the user as they were read, and the ones that could not be."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from tailorlm.core.errors import TailorError, unknown_name


class WrittenFloat(float):
    """A JSON number whose text is not what Python would write for it (`1e5`, `1.50`): a float that knows its text."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> WrittenFloat:
        """The number that `literal` (JSON syntax) stands for."""
        number = super().__new__(cls, literal)
        number.literal = literal
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # float's own hands over the number alone
        return (self.literal,)


@dataclass(frozen=True, slots=True)
class Row:
    """One example of the user's: its values by column, and where it stood.

    values: strings exactly as in the file; from JSON also numbers, booleans, None, lists and objects.
    source: the file as the user named it. line: the line on which the row begins, counted from 1.
    """

    values: dict[str, Any]
    source: str
    line: int

    @property
    def where(self) -> str:
        """`file:line`, for messages."""
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: where it begins, why, and its text (`raw`, for the quarantine file alone).

    `raw` is kept out of the repr, so that the user's text does not wander into logs.
    """

    source: str
    line: int
    reason: str
    raw: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, repr=False)
class Rows(Sequence[Row]):
    """The rows of one or several files, in order; a sequence of `Row`.

    columns: the union of all columns, in order of first appearance.
    notes: what was decided on reading ('x.csv: delimiter ;'), for the report.
    bad: rows that were set aside (`read(..., max_bad=N)`); never more than the user allowed.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    bad: tuple[BadRow, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return replace(self, rows=self.rows[index])
        return self.rows[index]

    def __repr__(self) -> str:
        return f"Rows({len(self.rows)} rows, columns={list(self.columns)}, bad={len(self.bad)})"

    def column(self, name: str) -> list[Any]:
        """The values of one column, one for each row; None where a row has no such key (JSON only).

        Raises UsageError with near misses when no row has the column.
        """
        if name not in self.columns:
            raise unknown_name("column", name, self.columns)
        return [row.values.get(name) for row in self.rows]

    def select(self, indices: Iterable[int]) -> Rows:
        """The rows at `indices` (from 0), in that order; columns and notes stay."""
        return replace(self, rows=tuple(self.rows[i] for i in indices))

    def fingerprint(self) -> str:
        """sha256 (hex) over the values in order: the same rows from CSV, JSONL or a renamed file give the same one.

        Source and line do not count, nor the order of the columns; the order of the rows and the way a JSON number
        was written do.
        """
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(_canonical(row.values).encode("ascii"))
            digest.update(b"\n")
        return digest.hexdigest()


def as_text(value: Any) -> str:
    """The text of one JSON scalar, as it was written: `True` -> 'true', `1e5` -> '1e5', `7` -> '7', strings unchanged.

    Raises TailorError for None (a missing value is not the word 'null': look for it first), NaN, lists and objects.
    Choose it wherever a value becomes a label or a text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenFloat):
        return value.literal
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)  # repr of a numpy number would say 'np.float64(1.5)'
    kinds = {type(None): "a missing value (null)", dict: "an object", list: "a list", float: f"the number {value!r}"}
    raise TailorError(
        f"{kinds.get(type(value), f'a value of type {type(value).__name__}')} has no text of its own",
        allowed="a string, a number, true or false",
        hint="fill the value in, or leave the row out",
    )


class Pool:
    """Makes equal short strings one object: a label that stands on a million rows is then stored once."""

    def __init__(self, longest: int = 64, most: int = 65536):
        self._longest, self._most = longest, most
        self._seen: dict[str, str] = {}

    def share(self, values: dict[str, Any]) -> None:
        """Replace the short strings among `values` (in place) by the copy that was met first."""
        for name, value in values.items():
            if type(value) is str and len(value) <= self._longest:
                if len(self._seen) < self._most:
                    values[name] = self._seen.setdefault(value, value)
                else:
                    values[name] = self._seen.get(value, value)


def row_of(columns: Sequence[str], fields: Sequence[str], source: str, line: int) -> Row:
    """A row from fields in the order of `columns`; both must be of the same length."""
    return Row(dict(zip(columns, fields, strict=True)), source, line)


def shared_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict whose keys are stored once for the whole process (every JSON row repeats the same column names)."""
    return {sys.intern(key): value for key, value in pairs}


def _canonical(value: Any) -> str:
    """ASCII JSON with sorted keys and no blanks; numbers as they were written."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return as_text(value)
