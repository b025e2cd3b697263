"""China, resident identity number: region, date of birth, order, and a check sign modulo 11 (X stands for ten).

Source: GB 11643-1999 (ISO 7064 MOD 11-2).
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    if number[0] not in "123456789" or number[6:8] not in ("18", "19", "20"):
        return False
    if not is_date(int(number[6:10]), int(number[10:12]), int(number[12:14])):
        return False
    total = weighted(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == number[17]


SCHEME = Scheme(
    name="cn_resident_id",
    form=re.compile(r"[0-9]{17}[0-9X]", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("身份证(?:号码?)?", "resident identity", "id card"),
    digits_only=False,
)
