"""The headings of a text: Markdown's, in both of its spellings, outside of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_MARKS = re.compile(
    r"^ {0,3}(?:(?P<fence>`{3,}|~{3,})[^\n]*|(?P<level>#{1,6})(?:[ \t][^\n]*)?|(?P<under>=+|-{3,})[ \t]*)\r?$",
    re.MULTILINE,
)
_LONGEST_UNDERLINED = 200


class Heading(NamedTuple):
    """One heading: where its line begins and ends (characters, the line end not counted), its level 1-6, its words."""

    start: int
    end: int
    level: int
    text: str


def headings(text: str) -> Iterator[Heading]:
    """The headings of `text` in order: lines of `# …` to `###### …`, and lines that are underlined with = or -.

    Lines inside fenced code (between ``` or ~~~) are none; an underlined one must stand below a blank line.
    """
    fence = ""
    for mark in _MARKS.finditer(text):
        if mark["fence"]:
            fence = _fence_after(fence, mark[0].strip())
        elif fence:
            continue
        elif mark["level"]:
            end = mark.end() - mark[0].endswith("\r")
            yield Heading(mark.start(), end, len(mark["level"]), mark[0].strip(" \t\r").strip("#").strip())
        else:
            above = _underlined(text, mark.start())
            if above is not None:
                level = 1 if mark["under"].startswith("=") else 2
                yield Heading(above[0], mark.end() - mark[0].endswith("\r"), level, text[slice(*above)].strip())


def _fence_after(fence: str, line: str) -> str:
    """The fence that is open below `line`, itself a fence: a longer one of the same kind closes, and holds no words."""
    run = line[: len(line) - len(line.lstrip(line[0]))]
    if not fence:
        return run
    closes = run.startswith(fence) and len(run) == len(line)
    return "" if closes else fence


def _underlined(text: str, at: int) -> tuple[int, int] | None:
    """Where the line above the underline at `at` stands, if it can be a heading."""
    if at == 0:
        return None
    end = at - 1
    start = text.rfind("\n", max(0, end - _LONGEST_UNDERLINED - 2), end) + 1
    if not start and end > _LONGEST_UNDERLINED:
        return None
    words = text[start:end].strip()
    blank_above = start == 0 or text[max(0, start - 3) : start].replace("\r", "").endswith("\n\n")
    return (start, end) if words and blank_above and not words.startswith(("#", "|", ">", "-", "`")) else None
