"""Czech Republic and Slovakia, birth number: date of birth, a stroke, four digits; the whole is divisible by 11.

Women's months count from 51, and 20 more where a day's numbers ran out. Numbers of nine digits (before 1954) have no check and are left out.
Source: Czech act 133/2000 on the register of inhabitants, section 13.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    month = int(number[2:4])
    month -= next((shift for shift in (70, 50, 20) if month > shift), 0)
    if not is_date(int(number[:2]), month, int(number[4:6])):
        return False
    # Until 1985 a remainder of ten was written as 0, and now and then later.
    return int(number) % 11 == 0 or (int(number[:9]) % 11 == 10 and number[9] == "0")


SCHEME = Scheme(
    name="cz_birth_number",
    form=re.compile(r"[0-9]{6}/?[0-9]{4}"),
    valid=_valid,
    words=any_word("rodné číslo", "rodne cislo", r"r\. ?č", "birth number"),
    needs_name="bare",
)
