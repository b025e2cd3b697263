"""South Africa, identity number: date of birth, four digits, citizenship 0 to 2, a digit, check digit by Luhn's rule.

Source: South African Department of Home Affairs, Identification Act 68 of 1997.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, luhn
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return number[10] in "012" and is_date(int(number[:2]), int(number[2:4]), int(number[4:6])) and luhn(number)


SCHEME = Scheme(
    name="za_id",
    form=re.compile(r"[0-9]{6} ?[0-9]{4} ?[0-9]{3}"),
    valid=_valid,
    words=any_word("id (?:number|no)", "identity number", "rsa id", "sa id"),
)
