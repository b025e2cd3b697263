"""Arrow IPC, through the optional pyarrow: the file form (Feather too) and the stream form, as `datasets` saves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.columnar import damaged, load_pyarrow, table_rows
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_arrow(source: Source) -> Iterator[Row | BadRow]:
    """The rows of an Arrow file, record batch by record batch; values and positions as in `read_parquet`.

    Raises TailorError when pyarrow is not installed, or the file is damaged, cut, or of the old Feather form.
    """
    pyarrow = load_pyarrow(source)
    from pyarrow import ipc

    if source.head.startswith(b"FEA1"):
        raise TailorError(f"{source.name} is a Feather file of version 1", hint="write it again as Parquet")
    with source.file() as file:
        try:
            if source.head.startswith(b"ARROW1"):
                whole = ipc.open_file(file)
                batches: Iterator[Any] = (whole.get_batch(i) for i in range(whole.num_record_batches))
                yield from table_rows(source, whole.schema, _checked(batches))
            else:
                stream = ipc.open_stream(file)
                yield from table_rows(source, stream.schema, _checked(iter(stream)))
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as exc:
            raise damaged(source, "Arrow", exc) from exc


def _checked(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches, each looked through first: Arrow trusts its offsets, and a damaged one would end the whole process."""
    for batch in batches:
        batch.validate(full=True)
        yield batch
