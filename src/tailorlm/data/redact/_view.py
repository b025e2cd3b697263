"""A text as the detectors see it: plain digits and separators, nothing invisible, and the way back to its offsets."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

# Soft hyphen, zero-width and direction marks, variation selector, keycap: drawn as nothing, and found inside numbers.
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\u20e3\ufeff]")
_MASK = re.compile(r"<[A-Z][A-Z0-9_]{1,40}>")
# Seven digits or more, with up to two separators between two of them. Possessive: no way back is kept.
_NUMBER = re.compile(r"(?<![0-9])[0-9](?:(?:[ .,/()+\-]{0,2}| / )[0-9]){6,}+")
# Four digits or more with a little between them, and as much on both sides as any code of letters and digits needs.
_CODE = re.compile(r"(?<![0-9])[0-9](?:[^0-9]{0,12}[0-9]){3,}+")
_CODE_SIDES = 18
_NO_DIGITS = str.maketrans("", "", "0123456789")
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63"


class _Plain(dict[int, str]):
    """One character for one, decided when it is first met: digits of every script, full-width forms, dashes, blanks."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        digit = unicodedata.decimal(sign, -1)
        if digit >= 0:
            sign = str(digit)
        elif 0xFF01 <= code <= 0xFF5E:
            sign = chr(code - 0xFEE0)
        elif sign in _SPACES:
            sign = " "
        elif sign in _DASHES:
            sign = "-"
        self[code] = sign
        return sign


_PLAIN = _Plain()


class View:
    """A text made plain for the detectors.

    text: the same text with the digits of all scripts as 0-9, full-width forms, dashes and blanks in ASCII, invisible
    characters gone and masks (`<EMAIL>`) blanked by line ends, which no identifier crosses.
    named_all: behave as if a fitting word stood beside every number; for checks on stand-ins.
    """

    def __init__(self, text: str, *, named_all: bool = False):
        self.named_all = named_all
        self._kept: list[int] | None = None
        self._length = len(text)
        if not text.isascii():
            if _INVISIBLE.search(text):
                self._kept = [i for i, c in enumerate(text) if not _INVISIBLE.match(c)]
                text = _INVISIBLE.sub("", text)
            text = text.translate(_PLAIN)
        if "<" in text:
            text = _MASK.sub(lambda m: "\n" * len(m[0]), text)
        self.text = text

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the text as it was given; invisible characters inside the span belong to it."""
        if self._kept is None or start >= end:
            return start, end
        return self._kept[start], self._kept[end - 1] + 1

    @cached_property
    def digits(self) -> int:
        """How many digits there are: too few, and most kinds need not look."""
        if self.text.isascii():
            return len(self.text) - len(self.text.translate(_NO_DIGITS))
        return sum(map(self.text.count, "0123456789"))

    @cached_property
    def numbers(self) -> list[tuple[int, int]]:
        """Where seven digits or more stand close together: all places where a number with a check digit can be."""
        return [m.span() for m in _NUMBER.finditer(self.text)] if self.digits >= 7 else []

    @cached_property
    def codes(self) -> list[tuple[int, int]]:
        """Where letters and at least four digits can make a code together, in order and without overlap."""
        places: list[tuple[int, int]] = []
        for found in _CODE.finditer(self.text) if self.digits >= 4 else ():
            start, end = max(0, found.start() - _CODE_SIDES), min(len(self.text), found.end() + _CODE_SIDES)
            if places and start <= places[-1][1]:
                start = places.pop()[0]
            places.append((start, end))
        return places

    @cached_property
    def lower(self) -> str:
        """The text in small letters, to ask for words in; its offsets may differ."""
        return self.text.lower()

    def named(self, words: re.Pattern[str], start: int, end: int) -> bool:
        """Whether one of `words` stands beside a find: in the 48 characters before it or the 24 behind it."""
        if self.named_all:
            return True
        before = words.search(self.text, max(0, start - 48), start)
        return bool(before or words.search(self.text, end, end + 24))


def any_word(*words: str) -> re.Pattern[str]:
    """A pattern for any of these words as a whole, in any case; words are regular expressions."""
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)
