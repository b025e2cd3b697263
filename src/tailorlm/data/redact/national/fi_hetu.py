"""Finland, personal identity code: date of birth, a sign for the century, three digits and a check sign modulo 31.

From 900 on the three digits are for tests. Source: Digital and Population Data Services Agency (signs Y X W V U and A to F since 2023).
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    # The sign "-" was taken for a separator: without it ten signs are left.
    digits = number[:6] + number[-4:-1]
    if not is_date(int(number[4:6]), int(number[2:4]), int(number[:2])) or not 2 <= int(digits[6:]) < 900:
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == number[-1]


SCHEME = Scheme(
    name="fi_hetu",
    form=re.compile(r"[0-9]{6}[+\-A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("henkilötunnus", "hetu", "personbeteckning"),
    digits_only=False,
)
