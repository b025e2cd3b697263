"""Portugal, NIF: nine digits, check digit modulo 11.

Source: Autoridade Tributária e Aduaneira, decreto-lei 14/2013. One number in eleven fits, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    rest = weighted(number, range(9, 1, -1)) % 11
    return number[0] in "123456789" and (0 if rest < 2 else 11 - rest) == int(number[8])


SCHEME = Scheme(
    name="pt_nif",
    form=re.compile(r"[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}"),
    valid=_valid,
    words=any_word("nif", "contribuinte", "número fiscal"),
    needs_name="always",
)
