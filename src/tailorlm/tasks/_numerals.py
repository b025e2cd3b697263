"""Numbers that a model has written: read from its text, or known to be none."""

from __future__ import annotations

import re

# A sign, digits with points or commas between them, an exponent; no part of a name (`GPT4`), but behind letters that are written without blanks.
# Digits are of any script: `float` reads them all.
_NUMERAL = r"(?<![A-Za-z\d_.])[-+\u2212]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d+)?"
_ALONE = re.compile(_NUMERAL)
_FIRST = re.compile(rf"\W*?({_NUMERAL})")
# Behind a number these say that it is one end of a range, and no answer.
_RANGE = re.compile(r"\s*(?:[-\u2010-\u2015~]|to|or|bis)\s*\d")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def numeral(text: str | None) -> float | None:
    """The number that a text answers with: the one it begins with, else the only one in it; None where there is none.

    `4`, `4/5`, `4 out of 5`, `**4** because ...` and `Rating: 4` are 4, `3-4` and `between 3 and 4` are none. A comma parts thousands where
    three digits stand behind each, else it is a decimal one.
    """
    if text is None:
        return None
    begun = _FIRST.match(text)
    if begun is not None:
        return None if _RANGE.match(text, begun.end()) else _value(begun.group(1))
    found = {value for one in _ALONE.finditer(text) if (value := _value(one.group())) is not None}
    return found.pop() if len(found) == 1 else None


def in_words(number: float) -> str:
    """A number as a model is to write it: whole ones without a point, others as short as they can be read back."""
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else repr(number)


def _value(written: str) -> float | None:
    plain = written.replace("\u2212", "-")
    plain = plain.replace(",", "") if _THOUSANDS.fullmatch(plain) else plain.replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
