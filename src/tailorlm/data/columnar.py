"""Tables by column (Parquet, Arrow) as rows: what the two readers share. pyarrow is loaded by them, not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.plain import NoJsonError, label_names, plain_value
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

ROWS_AT_ONCE = 1024
"""Rows that are turned into Python's own values together: few enough for long texts, enough for speed."""


def load_pyarrow(source: Source) -> Any:
    """The package; TailorError with the way to install it when it is not there."""
    try:
        import pyarrow
    except ImportError as exc:
        raise TailorError(
            f"{source.name} needs the package 'pyarrow', which is not installed",
            hint="pip install 'tailorlm[hub]', or save the rows as JSON Lines and read that file",
        ) from exc
    return pyarrow


def table_rows(source: Source, schema: Any, batches: Iterable[Any]) -> Iterator[Row | BadRow]:
    """The rows of the record batches of one table; `line` is a row's position in the file, from 1.

    Columns of bytes, pictures and the like are left out, label numbers become their names (both with a note), NaN
    becomes a missing value. A row with an infinite number, or text that is no UTF-8, is a bad row.
    """
    _check_names(source.name, schema.names)
    as_names = _label_columns(schema)
    left_out = [field.name for field in schema if _is_media(field.type)]
    columns = [name for name in schema.names if name not in left_out]
    if not columns:
        raise TailorError(f"{source.name} has no column of text or numbers", got=f"columns: {', '.join(schema.names)}")
    position = 0
    for batch in batches:
        kept = batch.select(columns)
        for start in range(0, kept.num_rows, ROWS_AT_ONCE):
            part = kept.slice(start, ROWS_AT_ONCE)
            for values in _as_dicts(part):
                position += 1
                yield _row(source.name, position, values, as_names)
    if as_names:
        source.notes.append(f"{source.name}: label numbers turned into names: {', '.join(as_names)}")
    if left_out:
        source.notes.append(f"{source.name}: columns left out (no text or numbers): {', '.join(left_out)}")


def damaged(source: Source, what: str, exc: Exception) -> TailorError:
    """The error for a file that pyarrow cannot read. what: 'Parquet' or 'Arrow'."""
    reason = str(exc).split("\n")[0][:200]
    return TailorError(
        f"{source.name} is no {what} file that can be read, or it is cut", got=reason, hint="fetch or write it again"
    )


def _row(
    name: str, position: int, values: dict[str, Any] | Exception, as_names: dict[str, Callable[[Any], Any]]
) -> Row | BadRow:
    if isinstance(values, Exception):
        return BadRow(name, position, "a text in it is not UTF-8", "")
    found: dict[str, Any] = {}
    for column, value in values.items():
        try:
            found[column] = as_names[column](value) if column in as_names else plain_value(value)
        except NoJsonError:
            return BadRow(
                name, position, f"{column!r} holds a value that is neither text nor a finite number", _raw(values)
            )
        except (IndexError, TypeError):
            return BadRow(name, position, f"{column!r} holds a label number that has no name", _raw(values))
    return Row(found, name, position)


def _raw(values: dict[str, Any]) -> str:
    return json.dumps(values, default=str)


def _as_dicts(part: Any) -> Iterator[dict[str, Any] | Exception]:
    """The rows of a slice; where one cannot be decoded the others are taken one by one."""
    try:
        yield from part.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError) as exc:
        if part.num_rows == 1:
            yield exc
            return
        for i in range(part.num_rows):
            yield from _as_dicts(part.slice(i, 1))


def _is_media(kind: Any) -> bool:
    """Whether values of this type hold bytes somewhere: nothing that a row of text could carry."""
    inner = [kind.field(i).type for i in range(kind.num_fields)] or [getattr(kind, "value_type", None)]
    if any(part is not None and part is not kind and _is_media(part) for part in inner):
        return True
    # Of a type with parts the name holds the names of its fields, which may be called anything.
    own = str(kind).partition("<")[0]
    return any(
        word in own for word in ("binary", "extension", "duration", "interval", "month_day_nano", "run_end_encoded")
    )


def _label_columns(schema: Any) -> dict[str, Callable[[Any], Any]]:
    """The label columns that the hub has described in the file's own metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {column: label_names(feature) for column, feature in features.items() if column in schema.names}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}  # not from the hub, or described in a way we do not know
    return {column: name_of for column, name_of in found.items() if name_of is not None}


def _check_names(name: str, columns: list[str]) -> None:
    twice = [column for column in dict.fromkeys(columns) if columns.count(column) > 1]
    if twice:
        raise TailorError(f"{name}: the column {twice[0]!r} stands {columns.count(twice[0])} times in it")
