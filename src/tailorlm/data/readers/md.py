"""Markdown: the file is one document, with its own title."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailorlm.data.documents import document
from tailorlm.data.headings import headings
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

_FRONT = re.compile(r"---[ \t]*\r?\n(?P<fields>(?:[^\r\n]*\r?\n){1,200}?)(?:---|\.\.\.)[ \t]*(?:\r?\n|$)")
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(?P<title>[^\r\n]+)", re.MULTILINE)


def read_md(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` exactly as in the file, `title`, `source`.

    The title is the one of the front matter (`title:` between `---` lines), else the first heading, else the file's name.
    Raises TailorError for a file of blanks only, or with a NUL byte.
    """
    text = source.text()
    front = _FRONT.match(text)
    named = _TITLE.search(front["fields"]) if front else None
    title = named["title"].strip().strip("\"'") if named else next((h.text for h in headings(text)), None)
    yield document(source, text, title)
