"""Bank accounts: IBAN by the form of its country and its check digits.

Sources: ISO 13616, the IBAN registry of SWIFT (release 99).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailorlm.data.redact._checks import mod_97
from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View, any_word
from tailorlm.data.redact.base import Span, scan

# Behind country and check digits: n digits, a letters, c either, with how many of them.
_FORMS = (
    "AD 8n12c|AE 19n|AL 8n16c|AT 16n|AZ 4a20c|BA 16n|BE 12n|BG 4a6n8c|BH 4a14c|BI 23n|BR 23n1a1c|BY 4c4n16c|CH 5n12c|"
    "CR 18n|CY 8n16c|CZ 20n|DE 18n|DJ 23n|DK 14n|DO 4c20n|EE 16n|EG 25n|ES 20n|FI 14n|FK 2a12n|FO 14n|FR 10n11c2n|"
    "GB 4a14n|GE 2a16n|GI 4a15c|GL 14n|GR 7n16c|GT 24c|HN 4a20n|HR 17n|HU 24n|IE 4a14n|IL 19n|IQ 4a15n|IS 22n|"
    "IT 1a10n12c|JO 4a4n18c|KW 4a22c|KZ 3n13c|LB 4n20c|LC 4a24c|LI 5n12c|LT 16n|LU 3n13c|LV 4a13c|LY 21n|MC 10n11c2n|"
    "MD 20c|ME 18n|MK 3n10c2n|MN 16n|MR 23n|MT 4a5n18c|MU 4a19n3a|NI 4a20n|NL 4a10n|NO 11n|OM 3n16c|PK 4a16c|PL 24n|"
    "PS 4a21c|PT 21n|QA 4a21c|RO 4a16c|RS 18n|RU 14n15c|SA 2n18c|SC 4a20n3a|SD 14n|SE 20n|SI 15n|SK 20n|SM 1a10n12c|"
    "SO 19n|ST 21n|SV 4a20n|TL 19n|TN 20n|TR 6n16c|UA 6n19c|VA 18n|VG 4a16n|XK 16n|YE 4a4n18c"
)
_CLASSES = {"n": "[0-9]", "a": "[A-Za-z]", "c": "[0-9A-Za-z]"}
_BEGIN = re.compile(r"[A-Za-z]{2}[ \-]?[0-9][ \-]?[0-9]")
_WORDS = any_word("iban", "bank account", "konto", "account")


def _pattern(form: str) -> re.Pattern[str]:
    """One account number of a country, with at most one blank, dash or point between two characters."""
    parts = [_CLASSES[kind] for count, kind in re.findall("([0-9]+)([nac])", form) for _ in range(int(count))]
    # Behind digits the number may be glued to a word; behind a place for letters that cannot be told.
    border = "(?![0-9])" if form[-1] == "n" else "(?![0-9A-Za-z])"
    return re.compile("[A-Za-z]{2}" + "".join(f"[ .\\-]?{part}" for part in ["[0-9]", "[0-9]", *parts]) + border)


_BY_COUNTRY = {form[:2]: _pattern(form[3:]) for form in _FORMS.split("|")}


class Iban:
    """IBANs of all countries of the registry, in one piece or in groups; form, length and check digits must be right.

    One random number in 97 of the right form passes, which with country and length is next to none.
    Stand-ins keep the country and have the check digits 00, which are never valid.
    """

    name = "iban"
    least_digits = 4

    def find(self, view: View) -> Iterator[Span]:
        """Valid account numbers."""
        for place in view.codes:
            for begin in scan(_BEGIN, view, lambda m: _end(view.text, m.start()) is not None, *place):
                end = _end(view.text, begin.start())
                if end is not None:
                    yield Span(begin.start(), end, view.named(_WORDS, begin.start(), end))

    def same(self, value: str) -> str:
        """Letters and digits, in capitals."""
        return re.sub("[^0-9A-Z]", "", value.upper())

    def pseudonym(self, value: str, draw: Draw) -> str:
        """The same country, 00, and other signs in the same groups."""
        signs = self.same(value)
        left = iter(signs[:2] + "00" + draw.like(signs[4:]))
        return "".join(next(left) if c.isalnum() else c for c in value)


def _end(text: str, start: int) -> int | None:
    form = _BY_COUNTRY.get(text[start : start + 2].upper())
    found = form.match(text, start) if form else None
    if found is None:
        return None
    signs = re.sub("[^0-9A-Z]", "", found[0].upper())
    checked = "02" <= signs[2:4] <= "98" and mod_97(signs[4:] + signs[:4])
    return found.end() if checked else None
