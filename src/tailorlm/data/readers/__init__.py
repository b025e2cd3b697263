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
    "arrow": "tailorlm.data.readers.arrow:read_arrow",
    "conll": "tailorlm.data.readers.conll:read_conll",
    "csv": "tailorlm.data.readers.csv:read_csv",
    "docx": "tailorlm.data.readers.docx:read_docx",
    "html": "tailorlm.data.readers.html:read_html",
    "json": "tailorlm.data.readers.json:read_json",
    "jsonl": "tailorlm.data.readers.jsonl:read_jsonl",
    "lines": "tailorlm.data.readers.lines:read_lines",
    "md": "tailorlm.data.readers.md:read_md",
    "odt": "tailorlm.data.readers.odt:read_odt",
    "parquet": "tailorlm.data.readers.parquet:read_parquet",
    "pdf": "tailorlm.data.readers.pdf:read_pdf",
    "squad": "tailorlm.data.readers.squad:read_squad",
    "tsv": "tailorlm.data.readers.tsv:read_tsv",
    "txt": "tailorlm.data.readers.txt:read_txt",
}
ALSO = {
    "ndjson": "jsonl",
    "jsonlines": "jsonl",
    "tab": "tsv",
    "text": "txt",
    "markdown": "md",
    "htm": "html",
    "xhtml": "html",
    "pq": "parquet",
    "feather": "arrow",
    "ipc": "arrow",
    "iob": "conll",
    "iob2": "conll",
    "bio": "conll",
    "conllu": "conll",
}
"""Other extensions of the formats in the table."""

DOCUMENTS = frozenset({"docx", "html", "md", "odt", "pdf", "txt"})
"""The formats in which a file is one row: its text, its title and its name."""

READERS = Registry("reader", TABLE, "tailorlm.readers")
