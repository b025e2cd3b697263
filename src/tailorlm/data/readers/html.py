"""HTML: what a reader of the page sees, without scripts, navigation and what is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from tailorlm.data.documents import document
from tailorlm.data.prose import Prose
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

# fmt: off
_LEFT_OUT = frozenset({
    "script", "style", "template", "noscript", "svg", "math", "canvas", "iframe", "object", "audio", "video",
    "select", "button", "nav", "footer", "dialog",
})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "form", "header", "hr", "html", "legend", "main", "ol", "p", "section", "summary",
    "tbody", "tfoot", "thead", "ul", "caption",
})
_NEVER_CLOSED = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})
# fmt: on
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_ROLES = frozenset({"navigation", "search", "contentinfo", "menu", "menubar", "dialog"})


def read_html(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` (headings, list items and table rows as in Markdown), `title`, `source`.

    The encoding is the byte-order mark's, else the page's own `<meta>`, else UTF-8, unless it was told. The title is that
    of the page, else its first heading, else the file's name. Navigation, footers, forms' buttons, scripts and hidden
    parts are left out. Raises TailorError for a page without visible text (one that only scripts fill, say).
    """
    page = _Page()
    page.feed(_tamed(source.text(page=True)))
    page.close()
    if page.unclosed:
        source.notes.append(f"{source.name}: <{page.unclosed}> is never closed; what follows it was left out")
    yield document(source, page.prose.text(), page.title.strip() or page.prose.first_heading)


class _Page(HTMLParser):
    """Follows the tags of one page; what is visible goes to `prose`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.prose = Prose(collapse=True)
        self._titles: list[str] = []
        self._in_title = False
        self._skipped, self._depth = "", 0
        self._tables: list[str] = []  # the open ones: with a row 'open' or 'closed', or only there for 'layout'

    @property
    def title(self) -> str:
        """The text of the first `<title>`."""
        return " ".join("".join(self._titles).split())

    @property
    def unclosed(self) -> str:
        """The left-out element that was open when the page ended ('' for none)."""
        return self._skipped

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out, or begin a block."""
        if self._skipped:
            self._depth += tag == self._skipped
        elif tag not in _NEVER_CLOSED and (tag in _LEFT_OUT or (tag not in ("html", "body") and _hidden(attrs))):
            self._skipped, self._depth = tag, 1
        elif tag == "title":
            self._in_title = not self._titles
        elif tag in _HEADINGS:
            self._as_layout()
            self.prose.block("heading", _HEADINGS[tag])
        elif tag in ("li", "pre"):
            self.prose.block(*(("item", "- ") if tag == "li" else ("code",)))
        elif tag in ("table", "tr", "td", "th"):
            self._table(tag)
        elif tag == "br":
            self.prose.keep("\n")
        elif tag in _BLOCKS:
            self.prose.block()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<br/>`; in HTML `<div/>` opens an element, but pages that write so mean an empty one."""
        if tag in _NEVER_CLOSED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """End what the start tag began."""
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
        elif tag == "title":
            self._in_title = False
        elif tag in ("table", "tr"):
            self._end_row(table=tag == "table")
        elif tag in _BLOCKS or tag in _HEADINGS or tag in ("li", "pre"):
            self.prose.block()

    def _table(self, tag: str) -> None:
        if tag == "table":
            self._as_layout()
            self.prose.block()
            self._tables.append("closed")
        elif not self._tables or self._tables[-1] == "layout":
            self.prose.block()
        elif tag == "tr":
            self._end_row(table=False)  # nobody has to close a row
            self.prose.begin_row()
            self._tables[-1] = "open"
        else:
            self.prose.cell()

    def _as_layout(self) -> None:
        """A table that holds headings or other tables only arranges the page: what is in it is no row."""
        if self._tables:
            self._end_row(table=False)
            self._tables[-1] = "layout"

    def _end_row(self, *, table: bool) -> None:
        if self._tables and self._tables[-1] == "open":
            self.prose.end_row()
            self._tables[-1] = "closed"
        if table and self._tables:
            self._tables.pop()
            self.prose.block()

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self._in_title:
            self._titles.append(data)
        elif not self._skipped:
            self.prose.write(data)


def _hidden(attrs: list[tuple[str, str | None]]) -> bool:
    for name, value in attrs:
        told = (value or "").lower()
        if name == "hidden" or (name == "aria-hidden" and told == "true") or (name == "role" and told in _ROLES):
            return True
        if name == "style" and "display:none" in told.replace(" ", ""):
            return True
    return False


def _tamed(text: str) -> str:
    """The page without what makes the standard library's parser slow or raise: comments, marked sections, an open tag.

    It looks for the end of each comment from its beginning, so many open ones would take quadratic time.
    """
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0:
        end = text.find("-->", start + 2)
        parts.append(text[at:start])
        if end < 0:
            at = start
            break
        at = end + 3
    text = "".join(parts) + text[at:].replace("<!--", "")
    text = text.replace("<![CDATA[", "").replace("]]>", "").replace("<![", "<!")
    last = text.rfind(">") + 1
    return text[:last] + text[last:].replace("<", "&lt;")
