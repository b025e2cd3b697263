"""Netherlands, BSN: nine digits, weighted sum (9 to 2, then -1) divisible by 11.

Source: Rijksdienst voor Identiteitsgegevens, Logisch Ontwerp BSN. One number in eleven fits, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return number != "000000000" and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


SCHEME = Scheme(
    name="nl_bsn",
    form=re.compile(r"[0-9]{4}[. ]?[0-9]{2}[. ]?[0-9]{3}"),
    valid=_valid,
    words=any_word("bsn", "burgerservice(?:nummer|nr)", "sofi(?:-?nummer)?"),
    needs_name="always",
)
