"""Norway, fødselsnummer: date of birth, three digits, two check digits modulo 11.

Days from 41 on (D numbers) and months from 41 on (other registers) are taken too. Source: Skatteetaten, folkeregisterforskriften section 2-2-1.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    day, month = int(number[:2]), int(number[2:4])
    if not is_date(int(number[4:6]), month - 40 if month > 40 else month, day - 40 if day > 40 else day):
        return False
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


SCHEME = Scheme(
    name="no_fnr",
    form=re.compile(r"[0-9]{6}[ \-]?[0-9]{5}"),
    valid=_valid,
    words=any_word("fødselsnummer", "fnr", "personnummer", "d-nummer"),
)
