"""What the numbers of states share: a form, a check, words that name them, and a stand-in that fails the check."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tailorlm.data.redact._draw import Draw, laid_over
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span, scan, stands_alone

_SEPARATORS = re.compile(r"[ ./\-]")
NeedsName = Literal["never", "bare", "always"]


@dataclass(frozen=True)
class Scheme:
    """The number of one state.

    form: a pattern of bounded length over plain text; what stands around it is checked here, it needs no borders.
    valid: whether a number fits, without separators and in capitals; takes all that `form` matches.
    words: what names the number in running text. needs_name: when such a word must stand beside it: never (one random
    number in fifty or fewer passes the check), bare (when it is written without separators), always.
    digits_only: the number holds no letter, so only places with seven digits or more are looked at.
    reserved: beginnings that are never given out; stand-ins begin with one of them instead of failing a check digit.
    """

    name: str
    form: re.Pattern[str]
    valid: Callable[[str], bool]
    words: re.Pattern[str]
    needs_name: NeedsName = "never"
    digits_only: bool = True
    reserved: tuple[str, ...] = ()

    @property
    def least_digits(self) -> int:
        """Seven, or four where letters are part of it."""
        return 7 if self.digits_only else 4

    def find(self, view: View) -> Iterator[Span]:
        """The valid numbers of this form that stand alone: not inside a longer number, decimal fraction or word."""
        places = view.numbers if self.digits_only else view.codes
        if not places:
            return
        if self.needs_name == "always" and not (view.named_all or self.words.search(view.text)):
            return
        for start, end in places:
            for found in scan(self._bordered, view, lambda m: self._fits(m, view.text), start, end):
                named = view.named(self.words, *found.span())
                bare = _SEPARATORS.search(found[0]) is None
                if named or self.needs_name == "never" or (self.needs_name == "bare" and not bare):
                    yield Span(*found.span(), named)

    @cached_property
    def _bordered(self) -> re.Pattern[str]:
        # Not begun inside a run of digits: on a long one every form would be tried at every place.
        return re.compile(f"(?<![0-9])(?:{self.form.pattern})(?![0-9])", self.form.flags)

    def same(self, value: str) -> str:
        """The number without separators, in capitals."""
        return _SEPARATORS.sub("", value).upper()

    def pseudonym(self, value: str, draw: Draw) -> str:
        """A number of the same form that is not valid: its check fails, or it begins with what is never given out."""
        compact = self.same(value)
        while True:
            other = draw.like(compact)
            if self.reserved:
                begin = self.reserved[draw.below(len(self.reserved))]
                other = begin + other[len(begin) :]
            shown = laid_over(value, other, string.digits + string.ascii_letters + "+")
            if not (self.form.fullmatch(shown) and self.valid(other)):
                return shown

    def _fits(self, found: re.Match[str], text: str) -> bool:
        return stands_alone(text, *found.span()) and self.valid(self.same(found[0]))
