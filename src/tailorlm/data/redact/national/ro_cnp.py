"""Romania, CNP: sex and century, date of birth, county, order, check digit modulo 11.

Source: Romanian law 105/1996 on the register of the population.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    county = int(number[7:9])
    if number[0] == "0" or not is_date(int(number[1:3]), int(number[3:5]), int(number[5:7])):
        return False
    if not (1 <= county <= 48 or county in (51, 52, 70) or 80 <= county <= 83):
        return False
    rest = weighted(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(number[12])


SCHEME = Scheme(
    name="ro_cnp",
    form=re.compile(r"[0-9]{13}"),
    valid=_valid,
    words=any_word("cnp", "cod(?:ul)? numeric personal"),
)
