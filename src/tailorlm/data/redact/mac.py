"""Hardware addresses of network cards (IEEE 802, EUI-48)."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw, laid_over
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span

_MAC = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Fa-f][:\-.])(?:[0-9A-Fa-f]{2}(?P<by>[:\-])(?:[0-9A-Fa-f]{2}(?P=by)){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z])(?![:\-.][0-9A-Fa-f])"
)


class Mac:
    """Addresses such as 00:1A:2B:3C:4D:5E, with dashes, or in three groups with points.

    Not taken: group addresses (the lowest bit of the first byte is set), which belong to no device; stand-ins are such.
    """

    name = "mac"
    least_digits = 1

    def find(self, view: View) -> Iterator[Span]:
        """Addresses of single devices; all zeros is none."""
        if view.text.count(":") < 5 and view.text.count("-") < 5 and view.text.count(".") < 2:
            return
        for found in _MAC.finditer(view.text):
            digits = self.same(found[0])
            pointed_number = "." in found[0] and digits.isdecimal()
            if not int(digits[:2], 16) & 1 and digits.strip("0") and not pointed_number:
                yield Span(*found.span())

    def same(self, value: str) -> str:
        """The twelve hexadecimal digits in small letters."""
        return re.sub("[^0-9a-f]", "", value.lower())

    def pseudonym(self, value: str, draw: Draw) -> str:
        """A group address in the same writing."""
        digits = draw.some("0123456789abcdef", 1) + "f" + draw.some("0123456789abcdef", 10)
        capital = value.upper() == value
        return laid_over(value, digits.upper() if capital else digits, string.hexdigits)
