"""Poland, PESEL: date of birth, four digits, check digit modulo 10 (weights 1, 3, 7, 9).

Months count from 81 (born in the 1800s), 1, 21, 41 and 61. Source: Polish act on population registration of 24 September 2010, article 15.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    if not is_date(int(number[:2]), int(number[2:4]) % 20, int(number[4:6])):
        return False
    return weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


SCHEME = Scheme(
    name="pl_pesel",
    form=re.compile(r"[0-9]{11}"),
    valid=_valid,
    words=any_word("pesel"),
)
