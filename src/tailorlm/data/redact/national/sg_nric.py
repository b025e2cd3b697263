"""Singapore, NRIC and FIN: a letter, seven digits, a check letter.

Source: Immigration & Checkpoints Authority; the check tables are published for S, T, F and G, and since 2022 for M.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_LETTERS = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
_SHIFT = {"T": 4, "G": 4, "M": 3}


def _valid(number: str) -> bool:
    total = weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + _SHIFT.get(number[0], 0)
    letters = _LETTERS[number[0]]
    return number[8] == (letters[10 - total % 11] if number[0] == "M" else letters[total % 11])


SCHEME = Scheme(
    name="sg_nric",
    form=re.compile(r"[STFGM][0-9]{7}[A-Z]"),
    valid=_valid,
    words=any_word("nric", "fin"),
    digits_only=False,
)
