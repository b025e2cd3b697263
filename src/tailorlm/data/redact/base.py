"""What every kind of identifier is: a name, a way to find it, and a stand-in of the same form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier in a text: its kind and where it stands, in characters, end exclusive.

    The value is not kept, so that no log or report can hold it: slice the text where you really need it.
    """

    kind: str
    start: int
    end: int


class Span(NamedTuple):
    """A find inside a view. named: a word beside it says what it is ("IBAN", "BSN"), so it wins over other readings."""

    start: int
    end: int
    named: bool = False


class Kind(Protocol):
    """One kind of identifier.

    A kind never finds its own pseudonyms (they carry a wrong check digit, a reserved domain or range), so redacting
    twice is redacting once. It takes time that grows with the length of the text and no faster.
    """

    @property
    def name(self) -> str:
        """As the user types it; the mask is this in capitals."""

    @property
    def least_digits(self) -> int:
        """A text with fewer digits is not looked at: what makes most rows fast."""

    def find(self, view: View) -> Iterator[Span]:
        """The finds in a view of a text, in its own coordinates, in any order."""

    def same(self, value: str) -> str:
        """The value without what may differ between two writings of it: equal results get equal pseudonyms."""

    def pseudonym(self, value: str, draw: Draw) -> str:
        """A stand-in of the same form that can belong to nobody."""


def scan(
    pattern: re.Pattern[str],
    view: View,
    accept: Callable[[re.Match[str]], bool],
    start: int = 0,
    end: int | None = None,
) -> Iterator[re.Match[str]]:
    """The matches that `accept` agrees with; a refused one is tried again one character further on.

    So a number that begins inside a refused one is still found. With a pattern of bounded length this stays linear.
    """
    text, stop = view.text, len(view.text) if end is None else end
    while found := pattern.search(text, start, stop):
        if accept(found):
            yield found
            start = found.end()
        else:
            start = found.start() + 1


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a number is not part of a longer number, a decimal fraction, or a code of mixed letters and digits.

    Glued to a word it still stands alone ("BSN123456782"), unless it begins or ends with a letter itself.
    """
    before, behind = text[max(0, start - 16) : start], text[end : end + 16]
    if _ENDS_IN_NUMBER.search(before) or _GOES_ON_AS_NUMBER.match(behind):
        return False
    # "_" joins, as in file names; a letter of another script than ours ends a number as well as a blank does.
    opened = text[start].isalpha() and before[-1:].isascii() and before[-1:].isalnum()
    closed = text[end - 1].isalpha() and behind[:1].isascii() and behind[:1].isalnum()
    return not (opened or closed)


# A comma before a number separates columns more often than it begins a fraction of twelve places.
_ENDS_IN_NUMBER = re.compile(r"(?:[0-9]\.?|[0-9](?:[A-Za-z]{1,2}|[A-Fa-f]{3,8})|[0-9][A-Za-z0-9]{0,12}-)\Z")
_GOES_ON_AS_NUMBER = re.compile(r"[0-9]|\.[0-9]|(?:[A-Za-z]{1,2}|[A-Fa-f]{3,8})[0-9]|-[A-Za-z]{0,12}[0-9]")
