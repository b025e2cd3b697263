"""Measures of one text that rows are filtered by; each a number, cheap, and the same on every machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_SYMBOL = re.compile(r"[^\w\s.,;:!?'\"()\-’‘“”–—、。，！？「」…%&/]")
_WORDS = re.compile(r"\w+")
_PLACEHOLDER = re.compile(
    r"\{\{\s*[\w.]+\s*\}\}|<<\s*\w+\s*>>|%\(\w+\)s|\$\{\w+\}|\[(?:insert|your|todo|tbd)\b[^\]]{0,60}\]|"
    r"\blorem ipsum\b|#(?:REF|NAME|VALUE|N/A|DIV/0)!?|\bundefined undefined\b",
    re.I,
)
_LOST = re.compile(r"(?<=[^\W\d_])\?+(?=[a-z])(?!\w*[=&])")
# The same for plain ASCII by tables, which is several times faster.
_ASCII = [chr(code) for code in range(128)]
_WORDS_ONLY = "".join(c if _WORDS.match(c) else " " for c in _ASCII)
_NO_SYMBOLS = str.maketrans("", "", "".join(c for c in _ASCII if not _SYMBOL.match(c)))
_NO_SPACES = str.maketrans("", "", "".join(c for c in _ASCII if c.isspace()))
# Without one of these a text has no place of a template.
_PLACES = ("{{", "<<", "%(", "${", "[", "#")
_MANY_WORDS, _LONG, _VERY_LONG = 500, 20_000, 1_000_000
_FEW_WORDS = 20
"""Below this many words repetition is no fault: short texts repeat words by chance."""


def characters(text: str) -> float:
    """Characters."""
    return len(text)


def words(text: str) -> float:
    """Words: runs of letters and digits, as many as the pattern finds."""
    if len(text) > _VERY_LONG:  # a list of its words would take ten times the memory of the text
        return sum(1 for _ in _WORDS.finditer(text))
    return len(_words(text))


def symbols(text: str) -> float:
    """Share of the characters (white space aside) that are neither letters, digits nor usual punctuation."""
    if text.isascii():
        found = len(text.translate(_NO_SYMBOLS))
        return found / len(text.translate(_NO_SPACES)) if found else 0.0
    solid = len(text) - sum(map(str.isspace, text))
    return len(_SYMBOL.findall(text)) / solid if solid else 0.0


def repetition(text: str) -> float:
    """Share of the words that stand in a repeated run of three words or a repeated line, 0 below 20 words.

    Text of people mostly stays below 0.2; lists of one form reach 0.5; stuck generators and copied blocks come near 1. Of
    long texts the first 500 words count, since in a whole book every run of three is repeated somewhere.
    """
    if len(text) < 2 * _FEW_WORDS - 1:
        return 0.0
    found = _words(text[:_LONG].lower())[:_MANY_WORDS]
    if len(found) < _FEW_WORDS:
        return 0.0
    runs = Counter(zip(found, found[1:], found[2:]))
    if len(runs) == len(found) - 2:
        return 0.0
    repeated = sum(count for count in runs.values() if count > 1)
    return repeated / (len(found) - 2)


def broken(text: str) -> float:
    """Share of the characters that replaced something unreadable (U+FFFD), or question marks inside words ('M?ller')."""
    if not text:
        return 0.0
    lost = text.count("\ufffd")
    lost += len(_LOST.findall(text)) if "?" in text else 0
    return lost / len(text)


def placeholders(text: str) -> float:
    """Places of a template that nobody filled: `{{name}}`, `%(name)s`, `[insert ...]`, lorem ipsum, `#REF!`."""
    if text.isascii() and not any(sign in text for sign in _PLACES):
        small = text.lower()
        if "lorem" not in small and "undefined" not in small:
            return 0
    return len(_PLACEHOLDER.findall(text))


def _words(text: str) -> list[str]:
    return text.translate(_WORDS_ONLY).split() if text.isascii() else _WORDS.findall(text)


@dataclass(frozen=True)
class Measure:
    """A measure with its unit and the bounds beyond which nothing is proposed: no text of people is dropped for being
    a little unlike the others."""

    of: Callable[[str], float]
    unit: str
    log: bool
    lowest: float | None = None
    highest: float | None = None


MEASURES = {
    "characters": Measure(characters, "characters", log=True, lowest=20, highest=1000),
    "words": Measure(words, "words", log=True, lowest=4, highest=200),
    "symbols": Measure(symbols, "share of the characters", log=False, highest=0.15),
    "repetition": Measure(repetition, "share of the words", log=False, highest=0.5),
    "broken": Measure(broken, "share of the characters", log=False, highest=0.005),
    "placeholders": Measure(placeholders, "places", log=False, highest=0.5),
}
"""The measures by name. `lowest`: a lower limit is never proposed above it; `highest`: an upper one never below it."""


def measure(text: str) -> dict[str, float]:
    """All measures of one text by name."""
    return {name: each.of(text) for name, each in MEASURES.items()}
