"""France, NIR (numéro de sécurité sociale): sex, year, month, place, order, and a key of two digits: 97 minus the number modulo 97.

Corsica writes 2A and 2B, which count as 19 and 18. Source: INSEE, répertoire national d'identification des personnes physiques.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    month = int(number[3:5])
    if not (1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99):
        return False
    digits = number.replace("2A", "19").replace("2B", "18") if number[6] in "AB" else number
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


SCHEME = Scheme(
    name="fr_nir",
    form=re.compile(
        r"[1-478][ .\-]?[0-9]{2}[ .\-]?[0-9]{2}[ .\-]?(?:[0-9]{2}|2[AB])[ .\-]?[0-9]{3}[ .\-]?[0-9]{3}[ .\-]?[0-9]{2}",
        re.IGNORECASE | re.ASCII,
    ),
    valid=_valid,
    words=any_word("nir", "sécu(?:rité sociale)?", "insee", "n° ?ss"),
    digits_only=False,
)
