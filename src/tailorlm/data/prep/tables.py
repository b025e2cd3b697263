"""Rows as CSV that no spreadsheet runs, and as Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.prep.wire import loads
from tailorlm.data.rows import as_text

# What a spreadsheet takes for a formula, behind any number of apostrophes (each guard adds one).
_RUNS = re.compile(r"'*[=+\-@\t\r]|'")
_SPECIAL = re.compile('[,"\r\n]|^\\s|\\s$')
_QUOTE = '"'
_BATCH = 5000


def write_csv(rows: Path, target: Path, columns: list[str]) -> None:
    """Rows (JSON Lines) as CSV that a spreadsheet shows and does not run, and that reads back to the same values.

    In a column where a value begins with `=`, `+`, `-`, `@`, a tab, a carriage return or an apostrophe, such values get
    an apostrophe in front, and so does the column's name: by that `data/delimited.py` knows that one is to be taken
    off. Other columns stay as they are. Numbers and truth values are written as text, a missing value as an empty field.
    Raises UsageError for lists and objects, which CSV has no place for.
    """
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

    A column that mixes types (numbers and text) is written as text. Raises TailorError without pyarrow.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TailorError("Parquet needs pyarrow, which is not installed", hint="pip install 'tailorlm[hub]'") from None
    schema = None
    mixed: set[str] = set()
    for batch in _batches(rows):
        found = [pyarrow.field(name, _type(batch, name, mixed)) for name in columns]
        new = pyarrow.schema(found)
        try:
            schema = new if schema is None else pyarrow.unify_schemas([schema, new], promote_options="permissive")
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            assert schema is not None
            known = schema
            mixed |= {name for name in columns if not _joins(known, new, name)}
            schema = pyarrow.schema(
                [pyarrow.field(n, pyarrow.string()) if n in mixed else known.field(n) for n in columns]
            )
    assert schema is not None
    schema = pyarrow.schema([pyarrow.field(n, pyarrow.string()) if n in mixed else schema.field(n) for n in columns])
    with pyarrow.parquet.ParquetWriter(target, schema) as writer:
        for batch in _batches(rows):
            plain = [{n: _as_string(v) if n in mixed else v for n, v in row.items()} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(plain, schema=schema))


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
            hint="take --format jsonl, or parquet",
        )
    return as_text(value)
