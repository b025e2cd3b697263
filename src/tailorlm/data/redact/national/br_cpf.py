"""Brazil, CPF: nine digits and two check digits modulo 11.

Source: Receita Federal, Instrução Normativa RFB 1548/2015. Eleven equal digits fit the check and are given to nobody.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    if number == number[0] * 11:
        return False
    first = weighted(number, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(number, range(11, 1, -1)) * 10 % 11 % 10
    return number[9:] == f"{first}{second}"


SCHEME = Scheme(
    name="br_cpf",
    form=re.compile(r"[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}[\-/ ]?[0-9]{2}"),
    valid=_valid,
    words=any_word("cpf", "cadastro de pessoas? físicas?"),
)
