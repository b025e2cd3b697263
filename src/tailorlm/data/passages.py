"""Long documents cut into passages, at the best border that lies near enough."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tailorlm.core.errors import UsageError
from tailorlm.data.headings import Heading, headings
from tailorlm.data.rows import Row
from tailorlm.data.sentences import sentence_ends

Measure = Callable[[str], int]

# Atomic and possessive: a \r\n must not count as two line ends, nor a long run of blanks take quadratic time.
_PARAGRAPH = re.compile(r"(?>\r\n|\n|\r)(?:[ \t]*+(?>\r\n|\n|\r))++")
_WORD = re.compile(r"\S+\s*|\s+")
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
_RETURN = "\r"
_LONGEST_CHARACTER = 32
"""Code points; families of emoji have up to eleven, what is longer is an attack or a broken file."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text: `text[start:end]`. headings: those it stands under, from the highest down."""

    start: int
    end: int
    headings: tuple[str, ...] = ()


def passages(text: str, *, size: int, overlap: int = 0, measure: Measure = len) -> list[Passage]:
    """Cut `text` into passages of at most `size`, together all of it, in order.

    Cuts fall before headings (Markdown's), else between paragraphs, sentences, words, and only then inside a word;
    small neighbours are put together while they fit. overlap: how much of the one before a passage repeats, whole
    sentences where they fit, else words, else characters; nothing is repeated across a heading.
    measure: what `size` and `overlap` count, characters by default; `words`, or the tokens of a tokenizer, are others. It
    must give at most the sum of the parts for a whole (tokenizers do, but for a token or so).
    Raises UsageError for a size below 1 or an overlap that is not smaller than half of it.
    """
    if size < 1:
        raise UsageError("the size of passages must be positive", got=str(size), allowed="1 or more")
    if overlap < 0 or overlap * 2 >= size:
        what = "the overlap of passages must be less than half of their size"
        raise UsageError(what, got=f"overlap {overlap}, size {size}", allowed=f"0 to {(size - 1) // 2}")
    if not text:
        return []
    found = list(headings(text))
    cutter = _Cutter(text, size - overlap, measure, found)
    cuts = cutter.cut()
    under = _Under(text, found)
    borders = [heading.start for heading in found]
    made = []
    for number, (start, end) in enumerate(cuts):
        begin = start
        if overlap and number:
            place = bisect_right(borders, start)
            floor = max(cuts[number - 1][0], borders[place - 1] if place else 0)
            begin = cutter.back(floor, start, overlap)
        made.append(Passage(begin, end, under.path(start, end)))
    return made


def words(text: str) -> int:
    """A measure for `passages`: words, as blanks part them, and each character of scripts that write without blanks."""
    return sum(1 + sum(map(_writes_without_blanks, word)) // 2 for word in text.split())


def passage_rows(
    row: Row, *, column: str = "text", size: int, overlap: int = 0, measure: Measure = len
) -> Iterator[Row]:
    """A row for each passage of the document `row`: its other columns, the passage in `column`, and where it stood.

    Added: `start` and `end` (characters in the document), `passage` (its number, from 1), `headings`; where the row has
    `pages` (a PDF), they give way to `page`, the page on which the passage begins. A row whose column holds no text is
    given back as it is.
    """
    text = row.values.get(column)
    if not isinstance(text, str) or not text:
        yield row
        return
    pages = row.values.get("pages")
    rest = {name: value for name, value in row.values.items() if name != "pages"}
    for number, part in enumerate(passages(text, size=size, overlap=overlap, measure=measure), 1):
        more: dict[str, Any] = {
            "start": part.start,
            "end": part.end,
            "passage": number,
            "headings": list(part.headings),
        }
        if isinstance(pages, list) and pages:
            more["page"] = max(1, bisect_right(pages, part.start))
        yield Row({**rest, column: text[part.start : part.end], **more}, row.source, row.line)


class _Cutter:
    """Cuts stretches of a text into parts that fit, at the borders of one level, then of the next below."""

    def __init__(self, text: str, room: int, measure: Measure, found: Sequence[Heading]):
        self._text, self._room, self._measure = text, room, measure
        # A heading stays with what it is the heading of.
        self._below_heading = {blank.end() for h in found if (blank := _PARAGRAPH.match(text, h.end))}
        levels = sorted({heading.level for heading in found})
        by_level = {level: [h.start for h in found if h.level <= level] for level in levels}
        self._levels: list[Callable[[int, int], Iterator[int]]] = [_at(by_level[level]) for level in levels]
        self._heading_levels = len(levels)
        self._levels += [self._paragraphs, self._sentences, self._words, self._characters]

    def cut(self) -> list[tuple[int, int]]:
        """The parts of the whole text."""
        return list(self._cut(0, len(self._text), 0))

    def back(self, floor: int, start: int, overlap: int) -> int:
        """Where a passage that begins at `start` begins with its overlap: at a sentence, a word, else anywhere."""
        for borders in (self._sentences, self._words, self._characters):
            begin = start
            for border in sorted({floor, *borders(floor, start)} - {start}, reverse=True):
                if self._measure(self._text[border:start]) > overlap:
                    break
                begin = border
            if begin < start:
                return begin
        return start

    def _cut(self, start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        if self._measure(self._text[start:end]) <= self._room or end - start < 2:
            yield start, end
            return
        borders = [*self._levels[level](start, end), end]
        if len(borders) == 1 and level + 1 < len(self._levels):
            yield from self._cut(start, end, level + 1)
            return
        if len(borders) > 1 and level + 1 < len(self._levels) and self._text[start : borders[0]].isspace():
            del borders[0]  # blanks at the beginning are no passage of their own
        begin, filled, at = start, 0, start
        for border in borders:
            more = self._measure(self._text[at:border])
            if at > begin and filled + more > self._room:
                yield begin, at
                begin, filled = at, 0
            if more > self._room and level + 1 < len(self._levels):
                *whole, last = self._cut(at, border, level + 1)
                yield from whole
                if level < self._heading_levels:
                    yield last
                    begin, filled = border, 0
                else:  # what is left of a paragraph may go on with the next one
                    begin, filled = last[0], self._measure(self._text[last[0] : border])
            else:
                filled += more
            at = border
        if begin < end:
            yield begin, end

    def _paragraphs(self, start: int, end: int) -> Iterator[int]:
        ends = (m.end() for m in _PARAGRAPH.finditer(self._text, start, end))
        return (at for at in ends if at < end and at not in self._below_heading)

    def _sentences(self, start: int, end: int) -> Iterator[int]:
        return (at for at in sentence_ends(self._text, start, end) if at < end)

    def _words(self, start: int, end: int) -> Iterator[int]:
        return (m.end() for m in _WORD.finditer(self._text, start, end) if m.end() < end)

    def _characters(self, start: int, end: int) -> Iterator[int]:
        """Before every character that does not belong to the one before it (accents, joined emoji, \\r\\n)."""
        text, begun = self._text, start
        for at in range(start + 1, end):
            one = text[at]
            joined = one in _JOINERS or text[at - 1] == "\u200d" or (one == "\n" and text[at - 1] == _RETURN)
            if not (joined or unicodedata.combining(one)) or at - begun >= _LONGEST_CHARACTER:
                begun = at
                yield at


class _Under:
    """Which headings a place in the text stands under."""

    def __init__(self, text: str, found: Sequence[Heading]):
        self._text, self._found = text, found
        self._starts = [heading.start for heading in found]
        self._paths: list[tuple[str, ...]] = []
        above: list[Heading] = []
        for heading in found:
            above = [h for h in above if h.level < heading.level] + [heading]
            self._paths.append(tuple(h.text for h in above if h.text))

    def path(self, start: int, end: int) -> tuple[str, ...]:
        """The headings over a passage: those above it, and those that follow one another at its beginning."""
        after = bisect_right(self._starts, start)
        at = self._found[after - 1].end if after else start
        at = max(at, start)
        while (
            after < len(self._found) and self._starts[after] < end and not self._text[at : self._starts[after]].strip()
        ):
            at, after = self._found[after].end, after + 1
        return self._paths[after - 1] if after else ()


def _at(borders: Sequence[int]) -> Callable[[int, int], Iterator[int]]:
    def within(start: int, end: int) -> Iterator[int]:
        return iter(borders[bisect_right(borders, start) : bisect_left(borders, end)])

    return within


def _writes_without_blanks(character: str) -> bool:
    code = ord(character)
    return (
        0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0x0E00 <= code <= 0x0E7F or 0x20000 <= code <= 0x3FFFF
    )
