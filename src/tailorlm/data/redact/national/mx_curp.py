"""Mexico, CURP: eighteen signs from name, date, sex and state of birth, the last a check digit.

Source: Secretaría de Gobernación, instructivo normativo para la asignación de la CURP.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_ORDER = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def _valid(number: str) -> bool:
    if not is_date(int(number[4:6]), int(number[6:8]), int(number[8:10])):
        return False
    total = sum(_ORDER.index(c) * (18 - i) for i, c in enumerate(number[:17]))
    return -total % 10 == int(number[17])


SCHEME = Scheme(
    name="mx_curp",
    form=re.compile(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9]", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("curp"),
    digits_only=False,
)
