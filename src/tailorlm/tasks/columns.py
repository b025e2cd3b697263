"""Checks of columns and rows that tasks share, with messages that name file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tailorlm.core.errors import CheckError, TailorError, UsageError, near_misses
from tailorlm.data.quality import duplicate_ids
from tailorlm.data.rows import Row, Rows, as_text

SHOWN = 8


def has_words(value: object) -> bool:
    """Whether a cell holds a text that is more than white space."""
    return value is not None and bool(as_text(value).strip())


def require_column(rows: Rows, name: str, what: str, flag: str) -> None:
    """UsageError, with the nearest column, where the rows have no column `name`. flag: what to type to name another (`--text`, `--column role=`)."""
    if name in rows.columns:
        return
    near = near_misses(name, rows.columns)
    raise UsageError(
        f"the {what} rows have no column '{name}'",
        got=f"columns: {', '.join(rows.columns) or '(none)'}",
        hint=f"{flag}{'' if flag.endswith('=') else ' '}{near[0] if near else (rows.columns[0] if rows.columns else 'COLUMN')}",
    )


def require_labelled(rows: Rows, text: str, label: str, id_column: str | None, what: str) -> None:
    """UsageError where rows lack the column of the text, of the answer, or of the id that was named."""
    for name, flag in ((text, "--text"), (label, "--label"), (id_column, "--id")):
        if name:
            require_column(rows, name, what, flag)


def text_fault(value: object, column: str) -> str | None:
    """What is wrong with a cell that should hold a text; None where it holds one."""
    if isinstance(value, list | dict):
        return f"a list or object in the column '{column}'"
    return None if has_words(value) else f"no text in the column '{column}'"


def refuse(rows: Sequence[Row], bad: Sequence[int], what: str, *, hint: str) -> None:
    """CheckError over the rows `bad`, if there are any. what: what is wrong, as it goes on behind "3 rows"."""
    if not bad:
        return
    raise CheckError(f"{count(len(bad), 'row')} {what}", got=_places(rows, bad), hint=hint)


def _places(rows: Sequence[Row], bad: Sequence[int]) -> str:
    """Where these rows stand, `file:line` each, the first few by name."""
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return ", ".join(rows[i].where for i in bad[:SHOWN]) + more


def refuse_faults(rows: Rows, faults: Mapping[int, str]) -> None:
    """CheckError over rows that a task cannot use, all reasons in one message."""
    by_reason: dict[str, list[int]] = {}
    for index, reason in faults.items():
        by_reason.setdefault(reason, []).append(index)
    hint = "mend these rows, or set up to N aside with --max-bad N"
    if len(by_reason) > 1:
        told = [f"  {reason}: {_places(rows, bad)}" for reason, bad in list(by_reason.items())[:SHOWN]]
        told += [f"  and {len(by_reason) - SHOWN} reasons more"] if len(by_reason) > SHOWN else []
        raise CheckError("\n".join([f"{len(faults)} rows cannot be used", *told]), hint=hint)
    for reason, bad in by_reason.items():
        refuse(rows, bad, f"{'has' if len(bad) == 1 else 'have'} {reason}", hint=hint)


def row_ids(rows: Rows, column: str | None) -> tuple[str, ...]:
    """A name for each row: the column's value, file:line without one. CheckError for empty ones and ones that stand twice."""
    if not column:
        return tuple(row.where for row in rows)
    hint = "mend the ids, or leave --id out: rows are then named by file and line"
    values = rows.column(column)
    empty = [i for i, value in enumerate(values) if isinstance(value, list | dict) or not has_words(value)]
    has = "has" if len(empty) == 1 else "have"
    refuse(rows, empty, f"{has} no value in the id column '{column}'", hint=hint)
    ids = [as_text(value) for value in values]
    bad = sorted(i for places in duplicate_ids(ids).values() for i in places)
    refuse(rows, bad, f"share a value of the id column '{column}'", hint=hint)
    return tuple(ids)


def texts_given(rows: Iterable[str | Mapping[str, Any]], column: str) -> list[str]:
    """The texts of rows to predict: strings, or mappings with this column. TailorError for one row given alone, or without a text."""
    if isinstance(rows, str | Mapping):
        raise TailorError(
            "predict takes many rows at once", got=f"one {type(rows).__name__}", hint="put it in a list: predict([row])"
        )
    texts = []
    for number, row in enumerate(rows, 1):
        value = row.get(column) if isinstance(row, Mapping) else row
        if not isinstance(value, str):
            raise TailorError(
                f"row {number} has no text", got=type(value).__name__, allowed=f"a string, or a mapping with '{column}'"
            )
        texts.append(value)
    return texts


def count(n: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{n} {noun}{'s' if n != 1 else ''}"
