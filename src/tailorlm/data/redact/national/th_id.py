"""Thailand, national identity number: thirteen digits, check digit modulo 11 modulo 10.

Source: Thai Department of Provincial Administration. Written 1-2345-67890-12-1 it is taken as it stands, bare with a word beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import weighted
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    return number[0] not in "09" and (11 - weighted(number, range(13, 1, -1)) % 11) % 10 == int(number[12])


SCHEME = Scheme(
    name="th_id",
    form=re.compile(r"[0-9](?:-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]|[0-9]{12})"),
    valid=_valid,
    words=any_word("thai id", "เลขประจำตัวประชาชน", "บัตรประชาชน"),
    needs_name="bare",
)
