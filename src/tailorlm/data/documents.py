"""A file that is one document becomes one row: what the readers of documents share.

In the text of every format headings stand as lines that begin with `#`, list items with `- `, and a table has a line a
row with ` | ` between its cells: Markdown's own signs, so that `passages` finds the headings again and a person can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Row
from tailorlm.data.source import Source

MAX_TEXT = 256_000_000
"""Characters of one document; a whole encyclopaedia in one file is not one document."""


def document(source: Source, text: str, title: str | None, more: Mapping[str, Any] | None = None) -> Row:
    """The row of one document: text, title (the file's name without extension when it has none of its own), source.

    more: further columns. Raises TailorError for a text of blanks only, with a NUL in it, or beyond the limit.
    """
    if len(text) > MAX_TEXT:
        raise TailorError(
            f"{source.name} is one document of {readable_size(len(text))}",
            allowed=f"at most {readable_size(MAX_TEXT)}",
            hint="cut the file, or read a text a line: --format lines",
        )
    if not text or text.isspace():
        raise TailorError(f"{source.name} holds no text, only blanks", hint="leave the file out")
    nul = text.find("\0")
    if nul >= 0:
        line = 1 + text.count("\n", 0, nul)
        column = nul - text.rfind("\n", 0, nul)
        raise TailorError(
            f"{source.name}:{line}: a NUL byte at column {column}: this is no text", hint="write the file again"
        )
    named = title.strip() if title else ""
    return Row(
        {"text": text, "title": named or stem(source.name), "source": source.name, **(more or {})}, source.name, 1
    )


def stem(name: str) -> str:
    """The name of a file without folders and extensions of packing: `docs/terms.txt.gz` -> `terms`."""
    path = PurePath(name)
    return PurePath(path.stem).stem if path.suffix in (".gz", ".zst", ".zstd") else path.stem or name
