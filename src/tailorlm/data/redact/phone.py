"""Telephone numbers: by a careful rule of our own, or by the numbering plans of named regions (extra `pii`).

Sources: ITU-T E.164 and its list of assigned country codes; NANPA for North America.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from tailorlm.core.errors import UsageError, near_misses
from tailorlm.data.redact._draw import Draw, laid_over
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span, scan, stands_alone

_ASSIGNED = (
    "1 20 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 "
    "241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 "
    "269 27 290 291 297 298 299 30 31 32 33 34 350 351 352 353 354 355 356 357 358 359 36 370 371 372 373 374 375 "
    "376 377 378 379 380 381 382 383 385 386 387 389 39 40 41 420 421 423 43 44 45 46 47 48 49 500 501 502 503 "
    "504 505 506 507 508 509 51 52 53 54 55 56 57 58 590 591 592 593 594 595 596 597 598 599 60 61 62 63 64 65 66 "
    "670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 7 800 808 81 82 84 850 "
    "852 853 855 856 86 870 878 880 881 882 883 886 888 90 91 92 93 94 95 960 961 962 963 964 965 966 967 968 970 "
    "971 972 973 974 975 976 977 979 98 992 993 994 995 996 998"
)
_CODES = frozenset(_ASSIGNED.split())
# Seven to fifteen digits with at most two separators between two of them.
_DIGITS = r"[0-9](?:(?:[ ().\-/]{0,2}| / )[0-9]){6,14}(?![0-9])"
_WORLD = re.compile(rf"(?<![0-9A-Za-z_+])(?:\+ ?|00 ?(?=[1-9]))\(?{_DIGITS}")
_AMERICAN = re.compile(
    r"(?<![0-9])(?:\+?1[ .\-]?)?(?:\((?P<a>[2-9][0-9]{2})\)[ .\-]?|(?P<b>[2-9][0-9]{2})(?P<by>[.\-]))"
    r"(?P<c>[2-9][0-9]{2})[ .\-](?P<d>[0-9]{4})(?![0-9])"
)
# Written as only telephone numbers are: (020) 7946 0958, 030/1234567, 0161 496 0000, 06 12 34 56 78.
_NATIONAL = re.compile(
    r"(?<![0-9])(?:\(0[0-9]{1,4}\) ?[0-9]{3,4}[ \-]?[0-9]{3,5}|0[1-9][0-9]{1,3}/[0-9]{5,8}"
    r"|0[1-9][0-9]{1,3}(?P<by>[ \-])[0-9]{3,4}(?P=by)[0-9]{3,4}|07[0-9]{3} [0-9]{6}"
    r"|0[1-9](?P<pair>[ .])[0-9]{2}(?:(?P=pair)[0-9]{2}){3})(?![0-9])"
)
_WORD = (
    r"(?:tele)?phone|phones?|tel|telefono?|telefone|télé?phone|tél|call(?: me| us)?|mobile?|mobil|handy|cell(?:phone)?"
    r"|whats ?app|sms|fax|tty|hotline|helpline|toll[ -]?free|rufnummer|durchwahl|móvil|celular|portable|cellulare|telefoon"
    r"|тел|телефон|电话|手机|電話|전화|फ़ोन"
)
_CALLED = re.compile(
    rf"(?<![^\W_])(?:{_WORD})(?:[ -]?(?:number|num|no|nr|nummer|#)s?)?[^0-9A-Za-z\n+(]{{0,4}}"
    r"(?:(?:is|at|on|me at|us at|:)[^0-9A-Za-z\n+(]{0,3})?\(?\Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(_DIGITS)
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_DATE = re.compile(
    rf"(?<![0-9])(?:{_YEAR}(?P<a>[.\-/ ]){_MONTH}(?P=a){_DAY}|{_DAY}(?P<b>[.\-/ ]){_MONTH}(?P=b){_YEAR}"
    rf"|{_MONTH}(?P<c>[.\-/ ]){_DAY}(?P=c){_YEAR})(?![0-9])"
)
_AMOUNT = re.compile(r"[0-9]{5}\.[0-9]{1,2}\Z")
_FURTHER = r" ?(?:x|ext\.?|extension|durchwahl|#) ?[0-9]{1,6}"
_EXTENSION = re.compile(_FURTHER + "(?![0-9])", re.IGNORECASE)
_LAST_EXTENSION = re.compile(_FURTHER + r"\Z", re.IGNORECASE)


class Phone:
    """Telephone numbers.

    regions: two-letter country codes ("DE", "US"); then numbers are also read by those countries' numbering plans with the
    package phonenumbers (extra `pii`, offline). Without regions a conservative rule of ours: a plus or 00 with an
    assigned country code, the forms of North America, a few forms that nothing else has (030/1234567), and seven
    digits or more right behind a word such as "phone" or "Tel.". Digits alone without such a word are left, so name the
    regions where your rows hold bare numbers.
    Stand-ins have the country code +999 (not assigned) or a North American area N9X (reserved for expansion).
    """

    name = "phone"
    least_digits = 7

    def __init__(self, regions: Sequence[str] = ()):
        self.regions = tuple(region.upper() for region in regions)
        self._library: Any = _phonenumbers(self.regions) if self.regions else None

    def find(self, view: View) -> Iterator[Span]:
        """Numbers with their extension, if they have one."""
        text = view.text
        found: list[Span] = []
        for start, end in view.numbers:
            # What stands before the first digit of a number: a plus, a bracket.
            front = max(0, start - 3)
            for pattern, accept in ((_WORLD, _has_code), (_AMERICAN, _is_american), (_NATIONAL, _is_national)):
                found += [Span(*m.span()) for m in scan(pattern, view, accept, front, end)]
            number = _NUMBER.match(text, start, end)
            if number and _may_be_called(number[0]) and _CALLED.search(text, max(0, start - 40), start):
                found.append(Span(start - (text[start - 1 : start] == "("), number.end(), True))
        for region in self.regions:
            found += [s for s in self._by_plan(text, region) if _may_be_called(text[s.start : s.end])]
        for start, end, named in found:
            extension = _EXTENSION.match(text, end)
            end = extension.end() if extension else end
            if stands_alone(text, start, end):
                yield Span(start, end, named)

    def same(self, value: str) -> str:
        """The digits, without 00 for +, a trunk (0) and the extension."""
        digits = _digits(_split(value)[0].replace("(0)", ""))
        return digits.removeprefix("00")

    def pseudonym(self, value: str, draw: Draw) -> str:
        """A number of the same writing in a reserved range; another extension."""
        number, extension = _split(value)
        digits = _digits(number)
        if _is_of_america(number):
            begin, shortest = "1" * (len(digits) - 10) + draw.some("2345678", 1) + "9", 0
        else:
            # Seven free digits at least: with fewer, two people would soon have the same.
            begin, shortest = ("00999" if digits.startswith("00") else "999"), 7
            number = number if number.startswith(("+", "00")) else "+" + number.lstrip("(").replace(")", "", 1)
        free = draw.some("0123456789", max(shortest, len(digits) - len(begin)))
        return laid_over(number, begin + free) + re.sub("[0-9]", lambda _: draw.some("0123456789", 1), extension)

    def _by_plan(self, text: str, region: str) -> Iterator[Span]:
        # The library stops with an error on halves of characters and spends long on very long texts: in pieces.
        for match in _NEAR_DIGITS.finditer(text):
            for found in self._library.PhoneNumberMatcher(match[0].encode("utf-8", "replace").decode(), region):
                yield Span(match.start() + found.start, match.start() + found.end)


_NEAR_DIGITS = re.compile(r"[+(]{0,2}[0-9](?:[^0-9\n]{0,3}[0-9]){6,40}")


def _digits(value: str) -> str:
    return re.sub("[^0-9]", "", value)


def _split(value: str) -> tuple[str, str]:
    """The number and what stands behind it as its extension (or '')."""
    extension = _LAST_EXTENSION.search(value)
    return (value[: extension.start()], extension[0]) if extension else (value, "")


def _has_code(found: re.Match[str]) -> bool:
    digits = _digits(found[0]).removeprefix("00")
    return len(digits) >= 8 and any(digits[:n] in _CODES for n in (1, 2, 3)) and _may_be_called(found[0])


def _is_of_america(number: str) -> bool:
    return bool(_AMERICAN.fullmatch(number)) or (
        number.startswith("+") and bool(re.fullmatch("1[0-9]{10}", _digits(number)))
    )


def _is_american(found: re.Match[str]) -> bool:
    # No exchange is called N11, but free numbers (8xx) have no exchange.
    area = found["a"] or found["b"]
    return (found["c"][1:] != "11" or area[0] == "8") and _may_be_called(found[0])


def _is_national(found: re.Match[str]) -> bool:
    pairs = [int(pair) for pair in re.split("[ .]", found[0])] if found["pair"] else []
    # "01 02 03 04 05" counts.
    return not pairs or len({after - before for before, after in pairwise(pairs)}) > 1


def _may_be_called(number: str) -> bool:
    """Whether digits can be a number of somebody: no date, amount or stand-in, not one digit only."""
    digits = _digits(number).removeprefix("00")
    ours = digits.startswith("999") or (_is_of_america(number) and digits[-9] == "9")
    other = _AMOUNT.search(number) or (number[0] != "+" and _DATE.search(number))
    return not ours and not other and 7 <= len(digits) <= 15 and len(set(digits)) > 1


def _phonenumbers(regions: Sequence[str]) -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise UsageError(
            "telephone numbers by region need the package phonenumbers",
            hint="pip install 'tailorlm[pii]', or leave the regions out for the built-in rule",
        ) from None
    known = phonenumbers.SUPPORTED_REGIONS
    for region in regions:
        if region not in known:
            near = near_misses(region, known)
            raise UsageError(
                f"there is no numbering plan for the region '{region}'",
                allowed="two-letter country codes, such as US, GB, DE, IN",
                hint=f"did you mean {near[0]}?" if near else None,
            )
    return phonenumbers
