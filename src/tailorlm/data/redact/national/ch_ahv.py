"""Switzerland, AHV number: thirteen digits that begin with 756, check digit as of an EAN-13.

Source: Swiss Federal Social Insurance Office, structure of the AHV number since 2008 (eCH-0044).
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import ean
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return ean(number)


SCHEME = Scheme(
    name="ch_ahv",
    form=re.compile(r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}"),
    valid=_valid,
    words=any_word("ahv(?:-?n(?:umme)?r)?", "avs", "oasi", "sozialversicherungsnummer"),
)
