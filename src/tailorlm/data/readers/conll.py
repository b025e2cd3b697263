"""CoNLL: a token a line with its tags in columns, a blank line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Line, Source

_BLANKS = re.compile(r"[ \t]+")
_UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD_ID = re.compile(r"\d+([-.]\d+)?")


@dataclass
class _Layout:
    """How the lines of a file are cut: by tabs or by blanks, into how many columns, and which is which."""

    tabs: bool
    columns: int
    universal: bool

    def cut(self, body: str) -> list[str]:
        return body.split("\t") if self.tabs else _BLANKS.split(body)

    def names(self) -> list[str]:
        """The name of each column: the first holds the tokens, the last the tags (CoNLL-U: form and upos)."""
        if self.universal:
            return [{"form": "tokens", "upos": "tags"}.get(name, name) for name in _UNIVERSAL]
        return ["tokens", *(f"column_{i}" for i in range(2, self.columns)), "tags"]


@dataclass
class _Sentence:
    """The lines of the sentence that is being read, and the first fault in it."""

    line: int
    cut: list[list[str]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    fault: str | None = None


def read_conll(source: Source) -> Iterator[Row | BadRow]:
    """A row for each sentence: `tokens` and `tags` (lists of equal length), further columns under their number or name.

    Columns are parted by tabs, or else by blanks; the first is the token, the last the tag. Files of ten columns with
    word numbers are CoNLL-U: their columns keep the names of that format, `tags` holds upos, and lines of joined or
    empty words (`1-2`, `1.1`) are left out. A line beginning with `#` is a comment when it does not have the columns of
    the file. After `-DOCSTART-` (or `# newdoc`) each row also has its `document`, counted from 1.
    A sentence with a line of too few or too many columns is a bad row. Raises TailorError when no line has two columns.
    """
    layout: _Layout | None = None
    sentence: _Sentence | None = None
    documents = 0
    for line in source.lines():
        body = line.text.rstrip("\r\n")
        blank = not body.strip(" \t")
        comment = body.startswith("#") and (layout is None or len(layout.cut(body.rstrip(" "))) != layout.columns)
        starts = body.startswith("-DOCSTART-") or (comment and body.startswith("# newdoc"))
        if blank or starts or (comment and not line.fault):
            if sentence is not None and (blank or starts):
                yield _row(source.name, sentence, layout, documents)
                sentence = None
            documents += starts
            continue
        if layout is None and not line.fault:
            layout = _layout(source.name, line.number, body)
        sentence = sentence or _Sentence(line.number)
        _take(sentence, line, body, layout)
    if sentence is not None:
        yield _row(source.name, sentence, layout, documents)
    elif layout is None:
        raise TailorError(f"{source.name} holds blank lines and comments only", allowed="a token and its tag a line")


def _layout(name: str, number: int, body: str) -> _Layout:
    tabs = "\t" in body
    cells = body.split("\t") if tabs else _BLANKS.split(body.rstrip(" "))
    if len(cells) < 2:
        raise TailorError(
            f"{name}:{number}: one column only",
            allowed="a token, a tab or a blank, and its tag on each line; a blank line between sentences",
            hint="for a text a line pass --format lines",
        )
    universal = tabs and len(cells) == len(_UNIVERSAL) and _WORD_ID.fullmatch(cells[0]) is not None
    return _Layout(tabs, len(cells), universal)


def _take(sentence: _Sentence, line: Line, body: str, layout: _Layout | None) -> None:
    sentence.raw.append(body)
    if sentence.fault:
        return
    if line.fault or layout is None:
        sentence.fault = f"line {line.number}: {line.fault}"
        return
    cells = layout.cut(body if layout.tabs else body.rstrip(" "))
    if len(cells) != layout.columns:
        have = f"{len(cells)} column{'' if len(cells) == 1 else 's'}"
        sentence.fault = f"line {line.number}: {have}, where the file has {layout.columns}"
    elif layout.universal and not _WORD_ID.fullmatch(cells[0]):
        sentence.fault = f"line {line.number}: the first column is no word number"
    elif not all(cell.strip() for cell in (cells[1:2] if layout.universal else (cells[0], cells[-1]))):
        sentence.fault = f"line {line.number}: an empty token or tag"
    elif not (layout.universal and not cells[0].isdigit()):
        sentence.cut.append(cells)


def _row(name: str, sentence: _Sentence, layout: _Layout | None, document: int) -> Row | BadRow:
    if sentence.fault or layout is None or not sentence.cut:
        return BadRow(name, sentence.line, sentence.fault or "a sentence without words", "\n".join(sentence.raw))
    by_column = zip(*sentence.cut, strict=True)
    lists = {column: list(cells) for column, cells in zip(layout.names(), by_column, strict=True) if column != "id"}
    ordered = {"tokens": lists.pop("tokens"), "tags": lists.pop("tags"), **lists}
    return Row(ordered | ({"document": document} if document else {}), name, sentence.line)
