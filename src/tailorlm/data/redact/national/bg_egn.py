"""Bulgaria, EGN: date of birth, three digits, check digit modulo 11 modulo 10.

Born before 1900 the month counts from 21, from 2000 on from 41. Source: Bulgarian civil registration act, ordinance RD-02-20-9.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    year, month, day = int(number[:2]), int(number[2:4]) % 20, int(number[4:6])
    if int(number[2:4]) > 52 or not is_date(year, month, day):
        return False
    return weighted(number, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(number[9])


SCHEME = Scheme(
    name="bg_egn",
    form=re.compile(r"[0-9]{10}"),
    valid=_valid,
    words=any_word("egn", "егн", "единен граждански номер"),
    needs_name="always",
)
