"""United Kingdom, NHS number: ten digits, check digit modulo 11.

Source: NHS Data Dictionary, NHS NUMBER. One number in eleven fits and telephone numbers look alike, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return weighted(number, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0 and number != number[0] * 10


SCHEME = Scheme(
    name="uk_nhs",
    form=re.compile(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}"),
    valid=_valid,
    words=any_word("nhs"),
    needs_name="always",
)
