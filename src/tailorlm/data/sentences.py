"""Where sentences end, in the scripts of the world, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSERS = "\"'”’»›)\\]）】」』》＂＇*_"
# Full stops of scripts without blanks between sentences end one wherever they stand; the others only before a blank.
_WIDE = "。！？｡"
_NARROW = ".!?．։؟۔।॥።፧។៕၊။…‼⁇⁈⁉"
_END = re.compile(
    rf"(?P<wide>[{_WIDE}]+[{_CLOSERS}]*)[ \t\u3000]*"
    rf"|(?<![{_NARROW}])(?P<stop>[{_NARROW}]++[{_CLOSERS}]*+)(?:[ \t\u00a0\u202f]+|(?=[\r\n])|$)"
)
_LINE_BREAK = re.compile(r"[ \t]*(?:\r\n|\n|\r)[ \t\r\n]*")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“„«]{1,30}$")
# Never the end of a sentence.
_BEFORE_A_NAME = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "st", "rev", "hon", "sr", "jr", "gen", "col", "maj", "capt", "lt", "sgt",
    "messrs", "mme", "mlle", "m", "hr", "fr", "frl", "dipl", "ing", "bzgl", "geb", "vgl", "sog", "fig", "figs",
    "eq", "eqs", "sec", "secs", "ch", "chap", "vols", "pp", "p", "nos", "ed", "eds", "trans", "cf", "e.g", "i.e",
    "eg", "ie", "vs", "viz", "approx", "resp", "incl", "ca", "z.b", "d.h", "u.a", "o.ä", "i.d.r", "bzw", "ggf",
    "evtl", "nr", "abs", "abb", "kap", "tab", "s", "p.ex",
})  # fmt: skip
# The end of a sentence where the next word is written large.
_SOMETIMES = frozenset({
    "etc", "al", "inc", "ltd", "co", "corp", "u.s", "u.k", "e.u", "a.m", "p.m", "ph.d", "usw", "usf", "dept",
    "est",
})  # fmt: skip


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> Iterator[int]:
    """The offsets in `text[start:end]` behind each sentence and the blanks after it, rising; the last is `end`.

    A stop ends a sentence before a blank, unless it belongs to an abbreviation, an initial or a number in a list; the
    full stops of Chinese and Japanese end one anywhere. A line that ends with a stop ends its sentence too; other line ends
    do not. Text without any stop is one sentence.
    """
    end = len(text) if end is None else end
    last = start
    at = start
    while at < end:
        mark = _END.search(text, at, end)
        if mark is None:
            break
        at = max(mark.end(), at + 1)
        if at >= end:
            break
        if mark["wide"] is not None or _ends(text, start, mark, at):
            if blank := _LINE_BREAK.match(text, at, end):
                at = max(at, blank.end())
            if last < at < end:
                yield at
                last = at
    if last < end:
        yield end


def _ends(text: str, start: int, mark: re.Match[str], after: int) -> bool:
    """Whether a stop before a blank ends a sentence."""
    stop = mark["stop"]
    following = text[after : after + 40].lstrip(" \t\r\n\"'“„«([*_")[:1]
    quoted = stop[-1] in _CLOSERS
    if stop.strip(_CLOSERS) != ".":  # "Is it?" she said. Wait... what?
        return not (following.islower() and (quoted or stop[0] in ".…"))
    if following.islower():
        return False
    found = _WORD_BEFORE.search(text, max(start, mark.start() - 30), mark.start())
    word = found[0].lower() if found else ""
    if word in _BEFORE_A_NAME or (word in ("no", "vol") and following.isdigit()):
        return False
    if len(word) == 1 and found is not None and word.isalpha() and word != "i":
        return not found[0].isupper()  # an initial
    if word.isdigit() and len(word) <= 2 and _begins_line(text, start, mark.start() - len(word)):
        return False  # the number of an item in a list
    return word not in _SOMETIMES or following.isupper()


def _begins_line(text: str, start: int, at: int) -> bool:
    line = max(text.rfind("\n", start, at), text.rfind("\r", start, at)) + 1 or start
    return not text[line:at].strip()
