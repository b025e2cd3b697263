"""Croatia, OIB: eleven digits, ISO 7064 MOD 11,10.

Source: Croatian act on the personal identification number (NN 60/08). One number in ten fits, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import mod_11_10
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return mod_11_10(number)


SCHEME = Scheme(
    name="hr_oib",
    form=re.compile(r"[0-9]{11}"),
    valid=_valid,
    words=any_word("oib", "osobni identifikacijski broj"),
    needs_name="always",
)
