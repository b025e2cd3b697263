"""United States, ITIN: like a social security number, area 9xx and group 50-65, 70-88, 90-92, 94-99; there is no check digit.

Source: IRS, Internal Revenue Manual 3.21.263.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme


def _valid(number: str) -> bool:
    group = int(number[3:5])
    return number[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


SCHEME = Scheme(
    name="us_itin",
    form=re.compile(r"9[0-9]{2}(?:(?P<by>[ \-])[0-9]{2}(?P=by)[0-9]{4}|[0-9]{6})"),
    valid=_valid,
    words=any_word("itin", "taxpayer id(?:entification)?(?: number)?", "tin"),
    needs_name="bare",
    reserved=("000",),
)
