"""India, Aadhaar: twelve digits, the first 2 to 9, check digit by Verhoeff.

Source: UIDAI, Aadhaar numbering scheme. Written 4-4-4 it is taken as it stands (years in a row are not), bare with a word beside it.
"""

from __future__ import annotations

import re

from tailorlm.data.redact._checks import verhoeff
from tailorlm.data.redact._view import any_word
from tailorlm.data.redact.national.base import Scheme

_YEARS = re.compile(r"(?:19|20)[0-9]{2}(?:19|20)[0-9]{2}(?:19|20)[0-9]{2}")


def _valid(number: str) -> bool:
    return number[0] in "23456789" and verhoeff(number) and number != number[::-1] and not _YEARS.fullmatch(number)


SCHEME = Scheme(
    name="in_aadhaar",
    form=re.compile(
        r"(?<![0-9]{4}[ \-])[0-9]{4}(?:(?P<by>[ \-])[0-9]{4}(?P=by)[0-9]{4}|[0-9]{8})(?![ \-][0-9]{4}(?![0-9]))"
    ),
    valid=_valid,
    words=any_word("aadhaa?r", "uid(?:ai)?", "आधार"),
    needs_name="bare",
)
