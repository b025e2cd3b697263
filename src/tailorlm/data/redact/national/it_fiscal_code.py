"""Italy, codice fiscale: sixteen signs from name, date and place of birth, the last a check letter.

Women's days count from 41; digits become letters where two people share a code (omocodia). Source: Decreto ministeriale of 23 December 1976.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


_DIGITS = str.maketrans("LMNPQRSTUV", "0123456789")


def _place(sign: str) -> int:
    return int(sign) if sign.isdigit() else ord(sign) - 65


def _valid(number: str) -> bool:
    year, day = (int(number[i : i + 2].translate(_DIGITS)) for i in (6, 9))
    if not is_date(year, "ABCDEHLMPRST".find(number[8]) + 1, day - 40 if day > 40 else day):
        return False
    total = sum(_place(c) if i % 2 else _ODD[_place(c)] for i, c in enumerate(number[:15]))
    return chr(65 + total % 26) == number[15]


SCHEME = Scheme(
    name="it_fiscal_code",
    form=re.compile(
        r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
        re.IGNORECASE | re.ASCII,
    ),
    valid=_valid,
    words=any_word("codice fiscale", r"c\.? ?f\.?"),
    digits_only=False,
)
