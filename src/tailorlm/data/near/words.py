"""The words of a text, for shingles and n-grams of words: case, form and punctuation folded, each word's place known.

In scripts that are written without blanks (Chinese, Japanese, Thai, ...) every character counts as a word.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import NamedTuple

_ASCII = re.compile(r"[a-z0-9]+")
# Scripts without blanks between words: Thai to Lao, Burmese, Khmer, kana, bopomofo, Han with its extensions, half-width kana.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U0001aff0-\U0001b16f\U00020000-\U000323af"
)
_ALONE = re.compile(f"[{_UNSPACED}]")
# Seen by no reader: soft hyphen, zero-width characters, variation selectors.
_HIDDEN = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFE0E, 0xFE0F])


class Word(NamedTuple):
    """A folded word and where it stands: `text[start:end]`, in characters."""

    word: str
    start: int
    end: int


def words(text: str) -> list[str]:
    """The folded words of a text in order; punctuation, symbols and blanks are borders and nothing else.

    Equal for texts that differ in case, width, punctuation and white space. Choose `placed_words` to know where they stand.
    """
    if text.isascii():
        return _ASCII.findall(text.lower())
    return [_folded(word) for word in _pattern().findall(text)]


def placed_words(text: str) -> list[Word]:
    """The same words with their places."""
    if text.isascii():
        return [Word(found[0], *found.span()) for found in _ASCII.finditer(text.lower())]
    return [Word(_folded(found[0]), *found.span()) for found in _pattern().finditer(text)]


def stands_alone(word: str) -> bool:
    """Whether a folded word is one character of a script that is written without blanks."""
    return not word.isascii() and _ALONE.match(word) is not None


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    word = word.translate(_HIDDEN)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())


@cache
def _pattern() -> re.Pattern[str]:
    """One character of an unspaced script, or a run of other letters and digits, each with its combining marks."""
    marks = _ranges([c for c in range(sys.maxunicode + 1) if c < 0x20000 or 0xE0100 <= c < 0xE01F0])
    # The half-width voicing marks of kana are letters to Unicode.
    marks += "\uff9e\uff9f"
    letter = rf"(?![{_UNSPACED}{marks}])[^\W_]"
    hidden = "".join(map(chr, _HIDDEN))
    return re.compile(rf"[{_UNSPACED}][{marks}]*|{letter}(?:{letter}|[{marks}{hidden}])*")


def _ranges(codes: list[int]) -> str:
    """The combining marks among the codes, as the inside of a regular-expression class."""
    found: list[list[int]] = []
    for code in codes:
        if unicodedata.category(chr(code))[0] == "M":
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in found)
