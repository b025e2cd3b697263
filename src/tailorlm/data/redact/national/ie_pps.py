"""Ireland, PPS number: seven digits, a check letter modulo 23, and since 2013 one more letter that counts nine times.

Source: Irish Department of Social Protection, format of the PPS number.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    second = ord(number[8]) - 64 if len(number) > 8 else 0
    total = weighted(number, range(8, 1, -1)) + 9 * (0 if second == 23 else second)
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == number[7]


SCHEME = Scheme(
    name="ie_pps",
    form=re.compile(r"[0-9]{7}[A-W][A-IW]?(?![A-Z])", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("pps(?:n| ?no| ?number)?", "personal public service"),
    needs_name="always",
    digits_only=False,
)
