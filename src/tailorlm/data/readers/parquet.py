"""Parquet, through the optional pyarrow: row group by row group."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError
from tailorlm.data import source as limits
from tailorlm.data.columnar import ROWS_AT_ONCE, damaged, load_pyarrow, table_rows
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_parquet(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a Parquet file; values as JSON knows them (strings unchanged, dates as ISO text), see `table_rows`.

    A row's line is its position in the file, from 1. Memory stays at some thousand rows, whatever the file holds.
    Raises TailorError when pyarrow is not installed, the file is damaged, or it swells too far when it is unpacked.
    """
    pyarrow = load_pyarrow(source)
    from pyarrow import parquet

    with source.file() as file:
        try:
            table = parquet.ParquetFile(file)
            _refuse_bomb(source, table.metadata, file.seek(0, io.SEEK_END))
            yield from table_rows(source, table.schema_arrow, _batches(table))
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as exc:
            raise damaged(source, "Parquet", exc) from exc


def _batches(table: Any) -> Iterator[Any]:
    return table.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False)  # type: ignore[no-any-return]


def _refuse_bomb(source: Source, facts: Any, packed: int) -> None:
    """A page is unpacked whole: the sizes are told in the file, and must be such as rows of text can have.

    They are asked of the row groups alone: where a column's own description is damaged, pyarrow ends the whole process.
    """
    size = sum(max(0, facts.row_group(i).total_byte_size) for i in range(facts.num_row_groups))
    if size > max(limits.FREE_EXPANSION_BYTES, limits.MAX_EXPANSION * packed):
        raise TailorError(
            f"{source.name} swells too far when it is unpacked",
            got=f"{readable_size(size)} from {readable_size(packed)}",
            allowed=f"at most {limits.MAX_EXPANSION} times the packed size beyond "
            f"{readable_size(limits.FREE_EXPANSION_BYTES)}",
            hint="if you trust the file, write it again without compression",
        )
