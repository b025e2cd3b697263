"""Japan, My Number: twelve digits, check digit modulo 11.

Source: ministerial ordinance 85 of 2014, article 5. One number in ten fits, so a word must stand beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    rest = weighted(number, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(number[11])


SCHEME = Scheme(
    name="jp_my_number",
    form=re.compile(r"[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{4}"),
    valid=_valid,
    words=any_word("my ?number", "individual number", "マイナンバー", "個人番号"),
    needs_name="always",
)
