"""Chile, RUT: seven or eight digits and a check digit modulo 11, where K stands for ten.

Source: Servicio de Impuestos Internos. One number in eleven fits, so it is taken with its points or with a word beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    total = sum(int(d) * (2 + i % 6) for i, d in enumerate(reversed(number[:-1])))
    return "0123456789K0"[11 - total % 11] == number[-1] and int(number[:-1]) >= 1_000_000


SCHEME = Scheme(
    name="cl_rut",
    form=re.compile(r"[0-9]{1,2}(?:\.[0-9]{3}\.[0-9]{3}-|[0-9]{6}-?)[0-9K]", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("rut", "run", "rol único"),
    needs_name="always",
    digits_only=False,
)
