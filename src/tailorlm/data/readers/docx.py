"""DOCX: the paragraphs, headings, lists and tables of a Word document."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from tailorlm.data.documents import document
from tailorlm.data.office import Office, Quiet, Title, open_office
from tailorlm.data.prose import Prose
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
# Deleted and moved-away text, the older copy of a drawing, and what fields compute from.
_LEFT_OUT = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText"})


def read_docx(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` (headings, list items and table rows as in Markdown), `title`, `source`.

    Left out: headers, footers, notes, comments, hidden and deleted text. The title is that of the document's properties,
    else its title line or first heading, else the file's name.
    Raises TailorError when the file is damaged, protected, swells too far, declares entities, or holds no text.
    """
    with open_office(source, "DOCX") as office:
        main = _main_part(office)
        styles = _Styles()
        if (beside := posixpath.join(posixpath.dirname(main), "styles.xml")) in office:
            office.parse(beside, styles)
        body = _Body(styles.levels())
        office.parse(main, body)
        properties = Title()
        if "docProps/core.xml" in office:
            office.parse("docProps/core.xml", properties)
    yield document(source, body.prose.text(), properties.text or body.title or body.prose.first_heading)


def _main_part(office: Office) -> str:
    links = _Links()
    if "_rels/.rels" in office:
        office.parse("_rels/.rels", links)
    return links.main or "word/document.xml"


class _Links(Quiet):
    """Where the main part of the package stands."""

    main = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("Type", "").endswith("/officeDocument"):
            self.main = attributes.get("Target", "").lstrip("/")


class _Styles(Quiet):
    """Which paragraph styles are headings, by their outline level, their name, or the style they build on."""

    def __init__(self) -> None:
        self._levels: dict[str, int] = {}
        self._bases: dict[str, str] = {}
        self._style = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        value = attributes.get("val", "")
        if name == "style":
            self._style = attributes.get("styleId", "")
        elif name == "name" and value.lower() == "title":
            self._levels[self._style] = 0
        elif name == "name" and (found := _HEADING_NAME.fullmatch(value)):
            self._levels[self._style] = int(found[1])
        elif name == "outlineLvl" and value.isdigit() and int(value) < 9:
            self._levels.setdefault(self._style, int(value) + 1)
        elif name == "basedOn":
            self._bases[self._style] = value

    def levels(self) -> dict[str, int]:
        """Level by style: 0 for the document's title, 1-9 for headings."""
        found = dict(self._levels)
        for style in self._bases:
            base, steps = style, 0
            while base not in self._levels and base in self._bases and steps < 20:
                base, steps = self._bases[base], steps + 1
            if base in self._levels:
                found.setdefault(style, self._levels[base])
        return found


class _Body(Quiet):
    """Follows the main part; what a reader of the printed page sees goes to `prose`."""

    def __init__(self, levels: dict[str, int]):
        self.prose = Prose(collapse=False)
        self.title = ""
        self._levels = levels
        self._skipped, self._depth = "", 0
        self._in_text = self._hidden = self._is_title = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        value = attributes.get("val", "")
        if self._skipped:
            self._depth += name == self._skipped
        elif name in _LEFT_OUT:
            self._skipped, self._depth = name, 1
        elif name == "p":
            self.prose.block()
            self._is_title = False
        elif name == "pStyle":
            self._heading(self._levels.get(value))
        elif name == "outlineLvl" and value.isdigit() and int(value) < 9:
            self._heading(int(value) + 1)
        elif name == "numPr":
            self.prose.restyle("item", "- ")
        elif name == "r":
            self._hidden = False
        elif name == "vanish":
            self._hidden = value not in ("0", "false", "off")
        elif name == "t":
            self._in_text = True
        elif not self._hidden:
            self._element(name)

    def _element(self, name: str) -> None:
        if name in ("tab", "ptab"):
            self.prose.keep("\t")
        elif name in ("br", "cr"):
            self.prose.keep("\n")
        elif name == "noBreakHyphen":
            self.prose.write("\u2011")
        elif name == "tr":
            self.prose.begin_row()
        elif name == "tc":
            self.prose.cell()

    def end(self, name: str) -> None:
        if self._skipped:
            self._depth -= name == self._skipped
            if not self._depth:
                self._skipped = ""
        elif name == "t":
            self._in_text = False
        elif name == "r":
            self._hidden = False
        elif name == "tr":
            self.prose.end_row()
        elif name == "p":
            self.prose.block()

    def data(self, text: str) -> None:
        if self._in_text and not self._skipped and not self._hidden:
            self.prose.write(text)
            self.title += text if self._is_title else ""

    def _heading(self, level: int | None) -> None:
        if level is not None:
            self._is_title = level == 0 and not self.title
            self.prose.restyle("heading", "#" * min(max(level, 1), 6) + " ")
