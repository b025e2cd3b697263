"""A text a line: sentences, queries or messages without any other column."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_lines(source: Source) -> Iterator[Row | BadRow]:
    """A row for each line that is not blank: `text`, exactly as it stands, without its line end.

    A line with a NUL byte, or of more than 16 MB, is a bad row. Raises TailorError for a file of blank lines only.
    Choose `txt` where the file is one document.
    """
    seen = False
    for line in source.lines():
        body = line.text.rstrip("\r\n")
        if line.fault:
            seen = True
            yield BadRow(source.name, line.number, line.fault, body)
        elif body.strip():
            seen = True
            yield Row({"text": body}, source.name, line.number)
    if not seen:
        raise TailorError(f"{source.name} holds blank lines only", allowed="a text a line")
