"""South Korea, resident registration number: date of birth, a digit for sex and century, six digits.

The check digit modulo 11 holds for numbers given before October 2020. Source: enforcement decree of the resident registration act.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    if not is_date(int(number[:2]), int(number[2:4]), int(number[4:6])):
        return False
    total = weighted(number, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    # Foreigners' numbers (5 to 8) mostly count two more.
    shifts = (0, 2) if number[6] in "5678" else (0,)
    return any((11 - total % 11 + shift) % 10 == int(number[12]) for shift in shifts)


SCHEME = Scheme(
    name="kr_rrn",
    form=re.compile(r"[0-9]{6}-?[0-9]{7}"),
    valid=_valid,
    words=any_word("rrn", "resident registration", "주민등록번호", "주민번호"),
)
