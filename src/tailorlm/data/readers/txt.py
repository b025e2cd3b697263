"""Plain text: the file is one document."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.documents import document
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_txt(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` exactly as in the file (line ends too), `title` (the name of the file), `source`.

    Raises TailorError for a file of blanks only, or with a NUL byte.
    Choose `lines` where every line is a text of its own, `passages` to cut the document afterwards.
    """
    yield document(source, source.text(), None)
