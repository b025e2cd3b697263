"""Canada, social insurance number: nine digits by Luhn's rule; none begins with 8.

Source: Government of Canada, Employment and Social Development, SIN code of practice. A 0 at the beginning is used in examples only.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import luhn
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return number[0] not in "08" and luhn(number)


SCHEME = Scheme(
    name="ca_sin",
    form=re.compile(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{3}"),
    valid=_valid,
    words=any_word("sin", "social insurance (?:number|no)", "nas", "numéro d'assurance sociale"),
    needs_name="always",
)
