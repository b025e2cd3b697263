"""Spain, DNI and NIE: eight digits (NIE: X, Y or Z and seven) and a letter by the remainder modulo 23.

Source: Ministerio del Interior, cálculo del dígito de control del NIF/NIE.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    digits = str("XYZ".find(number[0])) + number[1:-1] if number[0] in "XYZ" else number[:-1]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


SCHEME = Scheme(
    name="es_dni",
    form=re.compile(
        r"(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3}|[XYZ][ \-]?[0-9]{7}|[XYZ][ \-]?[0-9]\.[0-9]{3}\.[0-9]{3})[ \-]?[A-Z]",
        re.IGNORECASE | re.ASCII,
    ),
    valid=_valid,
    words=any_word("dni", "nie", "nif", "documento nacional"),
    digits_only=False,
)
