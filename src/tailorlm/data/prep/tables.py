"""Rows as CSV that no spreadsheet runs, and as Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.prep.wire import loads
from tailorlm.data.rows import as_text

# What a spreadsheet takes for a formula (full-width signs too), behind any number of apostrophes (each guard adds one).
_RUNS = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|'")
_SPECIAL = re.compile('[,"\r\n]|^\\s|\\s$|^\ufeff')
_QUOTE = '"'
_BATCH = 5000


def write_csv(rows: Path, target: Path, columns: list[str]) -> None:
    """Rows (JSON Lines) as CSV that a spreadsheet shows and does not run, and that reads back to the same values.

    In a column where a value begins with `=`, `+`, `-`, `@`, a tab, a carriage return or an apostrophe, such values get
    an apostrophe in front, and so does the column's name: by that `data/delimited.py` knows that one is to be taken
    off. Other columns stay as they are. Numbers and truth values are written as text, a missing value as an empty field.
    Raises UsageError for what CSV has no place for: lists and objects, NUL characters, columns without a name.
    """
    if not all(name.strip() for name in columns):
        raise UsageError("a column without a name has no place in CSV", hint="take --to jsonl, or parquet")
    guarded = [any(_RUNS.match(text) for text in (name, *_column(rows, name))) for name in columns]
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(_line([f"'{name}" if guard else name for name, guard in zip(columns, guarded, strict=True)]))
        for values in _rows(rows):
            fields = [_field(values.get(name), name) for name in columns]
            file.write(_line(f"'{f}" if g and _RUNS.match(f) else f for f, g in zip(fields, guarded, strict=True)))


def _line(fields: Iterable[str]) -> str:
    """One record as RFC 4180 has it; a record of one empty field is quoted, or it would be a blank line."""
    quoted = [f'"{field.replace(_QUOTE, 2 * _QUOTE)}"' if _SPECIAL.search(field) else field for field in fields]
    return (",".join(quoted) or '""') + "\n"


def write_parquet(rows: Path, target: Path, columns: list[str]) -> None:
    """Rows (JSON Lines) as Parquet, in groups of 5,000; types as Arrow finds them over all rows.

    A column that mixes types (numbers and text), or holds numbers beyond 64 bits, is written as text. Raises TailorError without pyarrow.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TailorError("Parquet needs pyarrow, which is not installed", hint="pip install 'tailorlm[hub]'") from None
    schema, mixed = _schema(rows, columns)
    while True:
        try:
            with pyarrow.parquet.ParquetWriter(target, schema) as writer:
                for batch in _batches(rows):
                    plain = [{n: _as_string(v) if n in mixed else v for n, v in row.items()} for row in batch]
                    writer.write_table(_table(plain, schema))
            return
        except _Misfit as misfit:  # a value that shows only now, among all: its column is text as well
            mixed.add(misfit.column)
            schema = _with_text(schema, mixed)


class _Misfit(Exception):
    """A column whose values do not fit the type that was found for it."""

    def __init__(self, column: str):
        super().__init__()
        self.column = column


def _schema(rows: Path, columns: list[str]) -> tuple[Any, set[str]]:
    """The types of the columns over all rows, and the columns that must be text."""
    import pyarrow

    schema: Any = None
    mixed: set[str] = set()
    for batch in _batches(rows):
        new = pyarrow.schema([pyarrow.field(name, _type(batch, name, mixed)) for name in columns])
        try:
            schema = new if schema is None else pyarrow.unify_schemas([schema, new], promote_options="permissive")
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            known = schema
            mixed |= {name for name in columns if not _joins(known, new, name)}
            schema = _with_text(known, mixed)
    mixed |= {field.name for field in schema if _is_empty(field.type)}
    return _with_text(schema, mixed), mixed


def _with_text(schema: Any, mixed: set[str]) -> Any:
    import pyarrow

    return pyarrow.schema([pyarrow.field(f.name, pyarrow.string()) if f.name in mixed else f for f in schema])


def _is_empty(kind: Any) -> bool:
    """Whether a type holds objects without any key somewhere, which Parquet cannot write."""
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return (str(kind).startswith("struct<") and not inner) or any(map(_is_empty, inner))


def _table(rows: list[dict[str, Any]], schema: Any) -> Any:
    import pyarrow

    arrays = []
    for field in schema:
        try:
            arrays.append(pyarrow.array([row.get(field.name) for row in rows], type=field.type))
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError, OverflowError):
            raise _Misfit(field.name) from None
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _type(batch: list[dict[str, Any]], name: str, mixed: set[str]) -> Any:
    import pyarrow

    try:
        return pyarrow.array([row.get(name) for row in batch]).type
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
        mixed.add(name)
        return pyarrow.string()


def _joins(a: Any, b: Any, name: str) -> bool:
    import pyarrow

    try:
        pyarrow.unify_schemas(
            [pyarrow.schema([a.field(name)]), pyarrow.schema([b.field(name)])], promote_options="permissive"
        )
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return False
    return True


def _as_string(value: Any) -> str | None:
    if value is None:
        return None
    import json

    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else as_text(value)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield loads(line.decode("utf-8"))


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in _rows(path):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _column(path: Path, name: str) -> Iterator[str]:
    return (_field(row.get(name), name) for row in _rows(path))


def _field(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise UsageError(
            f"the column {name!r} holds lists or objects, which CSV has no place for",
            hint="take --to jsonl, or parquet",
        )
    text = as_text(value)
    if "\0" in text:
        hint = "the step `repair` takes them out; --to jsonl keeps them"
        raise UsageError(f"the column {name!r} holds NUL characters, which CSV has no place for", hint=hint)
    return text
