"""Australia, tax file number: nine digits, weighted sum divisible by 11.

Source: Australian Taxation Office, TFN algorithm (weights 1, 4, 3, 7, 5, 8, 6, 9, 10).
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and number != "000000000"


SCHEME = Scheme(
    name="au_tfn",
    form=re.compile(r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}"),
    valid=_valid,
    words=any_word("tfn", "tax file (?:number|no)"),
    needs_name="always",
)
