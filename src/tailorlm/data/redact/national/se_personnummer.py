"""Sweden, personnummer: date of birth, a dash (a plus from the hundredth year on), four digits by Luhn's rule.

Days from 61 on belong to coordination numbers. Source: Skatteverket, SKV 704.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date, luhn
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    # A plus is no separator of numbers elsewhere, so it is still in here.
    digits = number.replace("+", "")[-10:]
    day = int(digits[4:6])
    return is_date(int(digits[:2]), int(digits[2:4]), day - 60 if day > 60 else day) and luhn(digits)


SCHEME = Scheme(
    name="se_personnummer",
    form=re.compile(r"(?:1[89]|20)?[0-9]{6}[+\-]?[0-9]{4}"),
    valid=_valid,
    words=any_word("person(?:nummer|nr)", "pnr", "samordningsnummer", "personal identity number"),
    needs_name="bare",
)
