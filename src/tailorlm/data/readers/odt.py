"""ODT: the paragraphs, headings, lists and tables of an OpenDocument text (LibreOffice and others)."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.core.errors import TailorError
from tailorlm.data.documents import document
from tailorlm.data.office import Quiet, Title, open_office
from tailorlm.data.prose import Prose
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

# Deleted text, comments, foot- and endnotes, and what fields and forms are made of.
_LEFT_OUT = frozenset({"tracked-changes", "annotation", "note", "sequence-decls", "forms", "variable-decls"})


def read_odt(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` (headings, list items and table rows as in Markdown), `title`, `source`; as `read_docx` does.

    Raises TailorError when the file is damaged, protected, swells too far, declares entities, or holds no text.
    """
    with open_office(source, "ODT") as office:
        protection = _Protection()
        if "META-INF/manifest.xml" in office:
            office.parse("META-INF/manifest.xml", protection)
        if protection.found:
            raise TailorError(f"{source.name} is protected by a password", hint="save it without one")
        meta, body = Title(), _Body()
        if "meta.xml" in office:
            office.parse("meta.xml", meta)
        office.parse("content.xml", body)
    yield document(source, body.prose.text(), meta.text or body.prose.first_heading)


class _Protection(Quiet):
    """Whether a part of the package is encrypted."""

    found = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the manifest."""
        self.found = self.found or name == "encryption-data"


class _Body(Quiet):
    """Follows the content; what a reader of the printed page sees goes to `prose`."""

    def __init__(self) -> None:
        self.prose = Prose(collapse=True)
        self._skipped, self._depth = "", 0
        self._in_item = 0
        self._open = 0  # paragraphs and headings: text elsewhere is only layout

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if self._skipped:
            self._depth += name == self._skipped
        elif name in _LEFT_OUT:
            self._skipped, self._depth = name, 1
        elif name == "h":
            level = attributes.get("outline-level", "1")
            self.prose.block("heading", "#" * min(int(level) if level.isdigit() else 1, 6) + " ")
            self._open += 1
        elif name == "p":
            self.prose.block(*(("item", "- ") if self._in_item else ("paragraph", "")))
            self._open += 1
        elif name in ("list-item", "list-header"):
            self._in_item += 1
        elif name == "table-row":
            self.prose.begin_row()
        elif name == "table-cell":
            self.prose.cell()
        elif self._open:
            self._inline(name, attributes)

    def _inline(self, name: str, attributes: dict[str, str]) -> None:
        if name == "s":
            count = attributes.get("c", "1")
            self.prose.keep(" " * min(int(count) if count.isdigit() else 1, 1000))
        elif name == "tab":
            self.prose.keep("\t")
        elif name == "line-break":
            self.prose.keep("\n")

    def end(self, name: str) -> None:
        """An element ends."""
        if self._skipped:
            self._depth -= name == self._skipped
            if not self._depth:
                self._skipped = ""
        elif name in ("h", "p"):
            self._open -= 1
            self.prose.block()
        elif name in ("list-item", "list-header"):
            self._in_item -= 1
        elif name == "table-row":
            self.prose.end_row()

    def data(self, text: str) -> None:
        """Text inside the innermost element."""
        if self._open and not self._skipped:
            self.prose.write(text)
