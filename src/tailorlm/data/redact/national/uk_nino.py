"""United Kingdom, National Insurance number: two letters, six digits, a letter A to D; there is no check digit.

Source: HMRC, National Insurance Manual NIM39110 (letters and prefixes that are not used). Stand-ins begin with QQ, which is for examples.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_NOT_USED = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def _valid(number: str) -> bool:
    return number[:2] not in _NOT_USED and number[0] not in "DFIQUV" and number[1] not in "DFIOQUV"


SCHEME = Scheme(
    name="uk_nino",
    form=re.compile(r"[A-Z]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[A-D]", re.IGNORECASE | re.ASCII),
    valid=_valid,
    words=any_word("nino?", "national insurance"),
    digits_only=False,
    reserved=("QQ",),
)
