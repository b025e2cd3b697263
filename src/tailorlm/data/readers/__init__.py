"""The file formats by name: one file each, one line each in the table.

A reader is a function `(Source) -> Iterator[Row | BadRow]`. It yields a `BadRow` for a row that can be left out and
raises TailorError for a fault of the whole file. The name is also the file extension it answers to.
Third parties add theirs through the entry-point group `tailorlm.readers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tailorlm.core.registry import Registry
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

Reader = Callable[[Source], Iterator[Row | BadRow]]

TABLE = {
    "csv": "tailorlm.data.readers.csv:read_csv",
    "json": "tailorlm.data.readers.json:read_json",
    "jsonl": "tailorlm.data.readers.jsonl:read_jsonl",
    "tsv": "tailorlm.data.readers.tsv:read_tsv",
}
ALSO = {"ndjson": "jsonl", "jsonlines": "jsonl", "tab": "tsv"}
"""Other extensions of the formats in the table."""

READERS = Registry("reader", TABLE, "tailorlm.readers")
