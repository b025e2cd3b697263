"""Germany, tax identification number: eleven digits, ISO 7064 MOD 11,10, and exactly one digit of the first ten repeated.

The repeated digit stands two or three times, three times not in a row. Source: Bundeszentralamt für Steuern,
Steueridentifikationsnummer (rules since 2016).
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import mod_11_10
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    counts = sorted(number[:10].count(d) for d in set(number[:10]))
    repeated_once = counts[-1] in (2, 3) and (len(counts) < 2 or counts[-2] == 1)
    in_a_row = any(d * 3 in number[:10] for d in set(number))
    return number[0] != "0" and repeated_once and not in_a_row and mod_11_10(number)


SCHEME = Scheme(
    name="de_tax_id",
    form=re.compile(r"[0-9]{2}[ /]?[0-9]{3}[ /]?[0-9]{3}[ /]?[0-9]{3}"),
    valid=_valid,
    words=any_word("steuer-?id(?:entifikationsnummer)?(?:-?nr)?", "idnr", "tax id", "tin"),
)
