"""Turkey, T.C. kimlik number: eleven digits, the last two computed from the others.

Source: Nüfus ve Vatandaşlık İşleri, T.C. kimlik numarası.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    digits = [int(d) for d in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return number[0] != "0" and digits[9] == tenth and digits[10] == sum(digits[:10]) % 10


SCHEME = Scheme(
    name="tr_tckn",
    form=re.compile(r"[0-9]{11}"),
    valid=_valid,
    words=any_word(r"t\.?c\.? ?kimlik", "kimlik no", "tckn"),
)
