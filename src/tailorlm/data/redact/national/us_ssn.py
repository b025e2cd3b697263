"""United States, social security number: area, group and serial, none of them all zeros; there is no check digit.

Source: Social Security Administration, POMS RM 10201.035 (areas 000, 666 and 9xx are not given out). Written with dashes it is taken as it
stands, otherwise with a word beside it. Two numbers that were printed in advertisements belong to nobody. Stand-ins have the area 000 or 666.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_ADVERTISED = {"078051120", "219099999"}


def _valid(number: str) -> bool:
    in_use = number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"
    return in_use and number not in _ADVERTISED


SCHEME = Scheme(
    name="us_ssn",
    form=re.compile(r"[0-9]{3}(?:(?P<by>[ \-])[0-9]{2}(?P=by)[0-9]{4}|[0-9]{6})"),
    valid=_valid,
    words=any_word("ssn", "ss#", "social security", "social sec"),
    needs_name="bare",
    reserved=("000", "666"),
)
