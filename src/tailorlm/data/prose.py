"""Text put together from the parts of a document (HTML, DOCX, ODT): paragraphs, headings, list items, table rows."""

from __future__ import annotations

import re

_SPACE = re.compile(r"[ \t\r\n\f]+")
_AROUND_BREAK = re.compile(r" *\n *")


class Prose:
    """Gathers blocks in order; `text()` joins them.

    collapse: runs of white space count as one blank, as in HTML and ODT; otherwise they stay.
    Blocks are parted by a blank line, items of a list and rows of a table by a line end. Empty blocks vanish.
    """

    def __init__(self, *, collapse: bool):
        self._collapse = collapse
        self._blocks: list[tuple[str, str]] = []
        self._kind, self._mark, self._pieces = "paragraph", "", list[str]()
        self._written = False  # anything but blanks; to join the pieces each time would take quadratic time
        self._row_depth = 0
        self.first_heading: str | None = None

    @property
    def in_row(self) -> bool:
        """Whether a table row is open: blocks inside it become part of its one line."""
        return self._row_depth > 0

    def block(self, kind: str = "paragraph", mark: str = "") -> None:
        """End the open block and begin one. kind: paragraph, heading, item, row, code. mark: what its text begins with."""
        if self.in_row:
            self.write(" ")
            return
        if kind == "paragraph" and self._kind == "item" and not self._written:
            return  # the first paragraph of an item is the item
        self._finish()
        self._kind, self._mark = kind, mark

    def restyle(self, kind: str, mark: str) -> None:
        """Say what the open block is, where that is told inside it; in a table row it stays part of its cell."""
        if not self.in_row:
            self._kind, self._mark = kind, mark

    def write(self, text: str) -> None:
        """Add text to the open block."""
        if self._collapse and self._kind != "code":
            text = _SPACE.sub(" ", text)
            if text.startswith(" ") and (not self._pieces or self._pieces[-1].endswith((" ", "\n"))):
                text = text[1:]
        if text:
            self._pieces.append(text)
            self._written = self._written or not text.isspace()

    def keep(self, text: str) -> None:
        """Add text whose white space is meant: blanks, tabs and line ends that the format writes as elements."""
        self._pieces.append(" " if self.in_row else text)

    def begin_row(self) -> None:
        """A table row begins; a row inside a cell of another stays part of that cell."""
        if not self.in_row:
            self.block("row")
        self._row_depth += 1

    def cell(self) -> None:
        """A cell begins."""
        if self._written:
            self._pieces.append(" | ")

    def end_row(self) -> None:
        """The row ends."""
        self._row_depth = max(0, self._row_depth - 1)
        if not self.in_row:
            self.block()

    def text(self) -> str:
        """Everything gathered so far, as one text without blanks around it."""
        self._finish()
        self._kind, self._mark = "paragraph", ""
        parts: list[str] = []
        before = ""
        for kind, text in self._blocks:
            if parts:
                parts.append("\n" if kind == before and kind in ("item", "row") else "\n\n")
            parts.append(text)
            before = kind
        return "".join(parts)

    def _finish(self) -> None:
        text = "".join(self._pieces)
        self._pieces, self._written = [], False
        if self._kind == "code":
            text = text.strip("\r\n")
        elif self._kind in ("row", "heading"):
            text = _SPACE.sub(" ", text).strip(" |" if self._kind == "row" else None)
        else:
            text = (_AROUND_BREAK.sub("\n", text) if self._collapse else text).strip()
        if not text:
            return
        if self._kind == "heading" and self.first_heading is None:
            self.first_heading = text
        if self._kind == "code":
            text = f"```\n{text}\n```"
        self._blocks.append((self._kind, self._mark + text))
