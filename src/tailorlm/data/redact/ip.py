"""Network addresses: IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View, any_word
from tailorlm.data.redact.base import Span

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_FOUR = re.compile(rf"(?<![0-9A-Za-z])(?<![0-9A-Za-z]\.){_OCTET}(?:\.{_OCTET}){{3}}(?![0-9A-Za-z])(?!\.[0-9])")
# Numbers of programs ("Chrome/120.0.0.1") and paragraphs have four parts too.
_VERSION = re.compile(
    r"(?:\bv|\bver|version|release|rev|build|firmware|driver|chapter|section|sec|clause|article|rule|item|table|figure|fig"
    r"|paragraph|appendix|§|[=<>~^]=)[.:s]{0,2} ?\(?\Z|[A-Za-z0-9_]/\Z",
    re.IGNORECASE,
)
_BEHIND = re.compile(r":[0-9]{2,5}(?![0-9])|/[0-9]{1,2}(?![0-9])")
_SIX = re.compile(r"(?<![\w:.])[0-9A-Za-z]{0,12}:[0-9A-Za-z:.]+")
_WORDS = any_word(
    "ip(?:v[46])?",
    "ip[ -]?addr(?:ess)?",
    "host(?:name)? ?ip",
    "server",
    "ping",
    "dns",
    "gateway",
    "subnet",
    "client",
    "router",
    "login",
)
_NOBODY = {"0.0.0.0", "127.0.0.1", "255.255.255.255", "255.255.255.0", "255.255.0.0", "255.0.0.0"}
_OURS_SIX = ipaddress.IPv6Network("3fff::/20")


class Ip:
    """IPv4 addresses in four decimal parts and IPv6 addresses in all their forms.

    Four small parts without a zero (5.2.3.1) number paragraphs more often than machines: they are taken with a port, a
    prefix length or a word beside them ("IP", "host(?:name)? ?ip", "DNS", ...). Not taken: numbers of versions, group addresses, masks,
    addresses of the machine itself (127.0.0.1, ::1), and the ranges of the stand-ins: 240.0.0.0/4 (reserved, RFC 1112)
    and 3fff::/20 (documentation, RFC 9637).
    """

    name = "ip"
    least_digits = 1

    def find(self, view: View) -> Iterator[Span]:
        """Addresses without port, prefix length and zone."""
        if view.digits >= 4 and view.text.count(".") >= 3:
            for found in _FOUR.finditer(view.text):
                start, end = found.span()
                if _is_nobody(found[0]) or _VERSION.search(view.text[max(0, start - 14) : start]):
                    continue
                named = view.named(_WORDS, start, end)
                if named or _BEHIND.match(view.text, end) or not _counts(found[0]):
                    yield Span(start, end, named)
        if view.text.count(":") >= 2:
            for found in _SIX.finditer(view.text):
                span = _six(found[0], found.start())
                if span is not None:
                    yield span

    def same(self, value: str) -> str:
        """The address in its canonical form."""
        return ipaddress.ip_address(value).compressed

    def pseudonym(self, value: str, draw: Draw) -> str:
        """An address of 240.0.0.0/4 or 3fff::/20."""
        if ":" not in value:
            return str(ipaddress.IPv4Address((0xF << 28) + draw.below(0xFFFFFFE)))
        low = sum(draw.below(1 << 32) << shift for shift in (0, 32, 64))
        return str(ipaddress.IPv6Address((0x3FFF0 << 108) + (draw.below(1 << 12) << 96) + low))


def _is_nobody(address: str) -> bool:
    # From 224 on: groups, and what is reserved.
    return address in _NOBODY or int(address.partition(".")[0]) >= 224


def _counts(address: str) -> bool:
    """Whether four parts look like the number of a paragraph: all small and none zero."""
    return all(0 < int(part) < 50 for part in address.split("."))


def _six(run: str, start: int) -> Span | None:
    """An IPv6 address in a run of letters, digits and colons, perhaps behind a word and a colon ("addr:2001:db8::1")."""
    body = run.rstrip(":.") if not run.endswith("::") else run
    word = re.match("[A-Za-z]+:(?!:)", body)
    for skipped in (0, word.end() if word else 0):
        address = body[skipped:]
        if len(address) <= 45 and _is_six(address):
            return Span(start + skipped, start + skipped + len(address))
    return None


def _is_six(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    groups = [group for group in text.split(":") if group]
    # "a::b" is a name in C++ and Ruby, "1::2" a slice in Python: two groups must begin like an address in use.
    like_code = len(groups) < 3 and not (len(groups) == 2 and len(groups[0]) == 4 and groups[0][0] in "23fF")
    return not (like_code or int(address) <= 1 or address in _OURS_SIX)
