"""Denmark, CPR number: date of birth and four digits; since 2007 without a check digit, so a word must stand beside it.

Source: CPR-kontoret, Personnummeret i CPR.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import is_date
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return is_date(int(number[4:6]), int(number[2:4]), int(number[:2]))


SCHEME = Scheme(
    name="dk_cpr",
    form=re.compile(r"[0-9]{6}[\- ]?[0-9]{4}"),
    valid=_valid,
    words=any_word("cpr(?:-?n(?:ummer|r))?", "personnummer"),
    needs_name="always",
)
