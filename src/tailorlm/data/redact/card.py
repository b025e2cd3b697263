"""Payment cards: issuer, length and check digit.

Sources: ISO/IEC 7812-1 (Luhn), and the ranges that the issuers publish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailorlm.data.redact._checks import ean, luhn
from tailorlm.data.redact._draw import Draw, laid_over
from tailorlm.data.redact._view import View, any_word
from tailorlm.data.redact.base import Span, scan, stands_alone

# First digits, from and to, with the lengths in use.
_ISSUERS = (
    ("1", "1", (15,)),  # UATP
    ("2014", "2014", (15,)),  # enRoute
    ("2149", "2149", (15,)),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("2221", "2720", (16,)),  # Mastercard
    ("300", "305", (14, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 17, 18, 19)),
    ("34", "34", (15,)),  # American Express
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("36", "36", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("37", "37", (15,)),  # American Express
    ("38", "39", (14, 16, 17, 18, 19)),  # Diners Club
    ("4", "4", (13, 16, 19)),  # Visa
    ("50", "50", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro, Verve, Elo
    ("51", "55", (16,)),  # Mastercard
    ("56", "58", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("60", "60", (16, 17, 18, 19)),  # Discover, RuPay, Hipercard
    ("61", "61", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("63", "63", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("64", "65", (16, 17, 18, 19)),  # Discover, Verve, RuPay
    ("66", "69", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("81", "82", (16, 17, 18, 19)),  # UnionPay, RuPay
    ("9792", "9792", (16,)),  # Troy
)
_CARD = re.compile(
    r"(?<![0-9])(?:[0-9]{4}(?P<four>[ .\-])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{4}(?:(?P=four)[0-9]{3})?(?![0-9])"
    r"|[0-9]{4}(?P<amex>[ .\-])[0-9]{6}(?P=amex)[0-9]{4,5}(?![0-9])"
    r"|[0-9]{4}(?P<short>[ .\-])[0-9]{4}(?P=short)[0-9]{4}(?P=short)[0-9]{1,3}(?![0-9])"
    r"|[0-9]{6}[ .\-][0-9]{10,13}(?![0-9])"
    r"|[0-9]{12,19}(?![0-9]))"
)
_WORDS = any_word(
    "(?:credit|debit|bank|payment) ?cards?", "card ?(?:number|no|nr)?", "visa", "master ?card", "amex", "american express",
    "maestro", "diners(?: club)?", "discover", "jcb", "union ?pay", "kreditkarten?(?:nummer)?", "carte (?:bancaire|bleue)",
    "tarjeta", "cart[aã]o?", "kaart(?:nummer)?", "pan",
)  # fmt: skip


class Card:
    """Card numbers, written in one piece or in the groups of print, with blanks, dashes or points.

    Lengths that other numbers share ask for more: thirteen digits that are a valid EAN, and fewer than sixteen of the
    issuers with open lengths, are taken only with a word beside them ("card", "Visa", ...).
    Stand-ins begin with 0000, which is no issuer's.
    """

    name = "card"
    least_digits = 12

    def find(self, view: View) -> Iterator[Span]:
        """Card numbers that stand alone, with issuer, length and check digit right."""
        for start, end in view.numbers:
            for found in scan(_CARD, view, lambda m: _fits(m, view.text), start, end):
                named = view.named(_WORDS, *found.span())
                if named or not _is_weak(self.same(found[0])):
                    yield Span(*found.span(), named)

    def same(self, value: str) -> str:
        """The digits."""
        return re.sub("[^0-9]", "", value)

    def pseudonym(self, value: str, draw: Draw) -> str:
        """0000 and other digits in the same groups."""
        return laid_over(value, "0000" + draw.some("0123456789", len(self.same(value)) - 4))


def _fits(found: re.Match[str], text: str) -> bool:
    digits = re.sub("[^0-9]", "", found[0])
    return len(digits) in _lengths(digits) and stands_alone(text, *found.span()) and luhn(digits)


def _lengths(digits: str) -> tuple[int, ...]:
    for low, high, lengths in _ISSUERS:
        if low <= digits[: len(low)] <= high:
            return lengths
    return ()


def _is_weak(digits: str) -> bool:
    if len(digits) == 13 and digits[0] == "4":
        return ean(digits)
    return len(digits) < 16 and digits[0] in "1256"
