"""Israel, identity number: nine digits by Luhn's rule.

Source: Israeli Population and Immigration Authority. One number in ten fits, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import luhn
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return luhn(number) and number != "000000000"


SCHEME = Scheme(
    name="il_id",
    form=re.compile(r"[0-9]{8}-?[0-9]"),
    valid=_valid,
    words=any_word("teudat zehut", r"ת\.?\"?ז", "תעודת זהות", "israeli? id"),
    needs_name="always",
)
