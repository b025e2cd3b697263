"""India, permanent account number: five letters, four digits, a letter; the fourth letter says what the holder is.

Only numbers of persons (P) are taken; those of firms are public. Source: Income Tax Department of India. How its check letter is
made is not public, so the form must do. Stand-ins have no P there.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return number[3] == "P" and number[5:9] != "0000"


SCHEME = Scheme(
    name="in_pan",
    form=re.compile(r"[A-Z]{3}P[A-Z][0-9]{4}[A-Z]"),
    valid=_valid,
    words=any_word("pan", "permanent account"),
    digits_only=False,
    reserved=("ZZZZ",),
)
