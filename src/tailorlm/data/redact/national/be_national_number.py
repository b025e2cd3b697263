"""Belgium, national register number: date of birth, three digits of order, two check digits.

The check is 97 minus the first nine digits modulo 97; for people born from 2000 on a 2 is put before the nine.
Source: royal decree of 3 April 1984 on the composition of the identification number.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    # Months up to 52 belong to people whose sex or date of birth is not known in full (the bis number).
    month, day = int(number[2:4]) % 20, int(number[4:6])
    if month > 12 or day > 31 or int(number[2:4]) > 52:
        return False
    # Nobody was born after 2030 yet.
    centuries = ("", "2") if number[:2] <= "30" else ("",)
    return any(97 - int(century + number[:9]) % 97 == int(number[9:]) for century in centuries)


SCHEME = Scheme(
    name="be_national_number",
    form=re.compile(r"[0-9]{2}[.\- ]?[0-9]{2}[.\- ]?[0-9]{2}[.\- ]?[0-9]{3}[.\- ]?[0-9]{2}"),
    valid=_valid,
    words=any_word(
        "rijksregister(?:nummer|nr)?", "registre national", "national(?:register)? number", "niss", "insz", "rrn"
    ),
)
