"""E-mail addresses: plain, international, with %40 in a link, and with (at) and [dot] in brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span

# Latin, Greek, Cyrillic and Armenian letters are written with blanks between words, so they belong to an address they
# touch; other scripts may run into it ("请联系a@b.cn") and count only where the whole part is of such letters.
_NARROW = "A-Za-z0-9_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u058f"
_LOCAL = rf"[{_NARROW}.!#$%&'*+/=?^`{{|}}~\-]"
_NARROW_LOCAL = re.compile(rf"{_LOCAL}{{1,64}}\Z")
_WIDE_LOCAL = re.compile(r"[\w.+\-]{1,64}\Z")
_NARROW_HOST = re.compile(
    rf"(?:[{_NARROW}\-]{{1,63}}\.){{1,8}}(?:xn--[a-z0-9\-]{{2,59}}|[{_NARROW}]{{2,24}})(?<![0-9_])", re.IGNORECASE
)
_WIDE_HOST = re.compile(r"(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_NARROW_SIGN = re.compile(f"[{_NARROW}]")
_TRIMMED = ".!#$%&'*/=?^`{|}~-"
_BRACKETED = re.compile(
    r"(?<![\w.+\-])[A-Za-z0-9][\w.+\-]{0,63} ?[\[({<] ?(?:at|@|arobase|arroba) ?[\])}>] ?"
    r"(?:[A-Za-z0-9\-]{1,63}(?: ?[\[({<] ?(?:dot|\.|punkt|point|punto) ?[\])}>] ?|\.)){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_BRACKETED_AT = re.compile(r"[\[({<] ?(?:at|@|arobase|arroba) ?[\])}>]", re.IGNORECASE)
_SHOUTED = re.compile(
    r"(?<![\w.+\-])[A-Za-z0-9][\w.+\-]{0,63} (?:AT|At) (?:[A-Za-z0-9\-]{1,63} DOT ){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
# As people dictate it: the sign makes clear what the words are ("sam@mail dot com").
_SPOKEN = re.compile(
    r"(?<![\w.+\-])[A-Za-z0-9][\w.+\-]{0,63} ?@ ?(?:[A-Za-z0-9\-]{1,63} (?:dot|punkt|point|punto) ){1,4}[A-Za-z]{2,24}"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# Ends of file names, not of hosts: icon@2x.png.
_FILE_ENDS = "png jpg jpeg gif webp svg bmp ico pdf css js json html htm xml csv txt md yml yaml log mp3 mp4 exe dll"
_FILES = frozenset(_FILE_ENDS.split())
_LOGIN = re.compile(r"://[^\s/@]{0,200}\Z")


class Email:
    """E-mail addresses of any script.

    Not taken: what stands before a host in a link (see `url_login`), decorators and matrix products in code, images
    such as icon@2x.png, and the domain `.invalid`, which belongs to nobody (RFC 2606) and is that of the stand-ins.
    Written out in words an address is taken with the sign, with brackets or in capitals ("jo@host dot org", "jo (at) host (dot)
    org", "jo AT host DOT org"): "look at amazon dot com" is none.
    """

    name = "email"
    least_digits = 0

    def find(self, view: View) -> Iterator[Span]:
        """Addresses, from the first character of the name to the last of the host."""
        text = view.text
        for sign in ("@", "%40"):
            at = text.find(sign)
            while at >= 0:
                span = _around(text, at, len(sign))
                if span is not None:
                    yield span
                at = text.find(sign, at + 1)
        if _BRACKETED_AT.search(text):
            for found in _BRACKETED.finditer(text):
                if not _is_invalid(found[0]):
                    yield Span(*found.span(), True)
        if "@" in text:
            yield from (Span(*found.span(), True) for found in _SPOKEN.finditer(text) if not _is_invalid(found[0]))
        if " DOT " in text:
            yield from (Span(*found.span(), True) for found in _SHOUTED.finditer(text))

    def same(self, value: str) -> str:
        """Lower case, with @ and points for the words in brackets."""
        value = re.sub(r" ?[\[({<] ?(?:at|@|arobase|arroba) ?[\])}>] ?| AT | ?@ ?", "@", value, flags=re.IGNORECASE)
        value = re.sub(
            r" ?[\[({<] ?(?:dot|\.|punkt|point|punto) ?[\])}>] ?| (?:dot|punkt|point|punto) ",
            ".",
            value,
            flags=re.IGNORECASE,
        )
        return value.replace("%40", "@").lower()

    def pseudonym(self, value: str, draw: Draw) -> str:
        """`letters@letters.invalid`; two people at one host are not at one host any more."""
        letters = "abcdefghijkmnpqrstuvwxyz23456789"
        return f"{draw.some(letters[:23], 1)}{draw.some(letters, 9)}@{draw.some(letters[:23], 6)}.invalid"


def _around(text: str, at: int, width: int) -> Span | None:
    """The address around an at sign, or None."""
    before, behind = text[max(0, at - 65) : at], text[at + width : at + width + 255]
    if not before or not behind or (width == 3 and not behind[0].isalnum()):
        return None
    local = (_NARROW_LOCAL if _is_narrow(before[-1]) else _WIDE_LOCAL).search(before)
    host = (_NARROW_HOST if _is_narrow(behind[0]) else _WIDE_HOST).match(behind)
    if local is None or host is None:
        return None
    name, domain = _name(local[0]), _host(host[0])
    start, end = at - len(name), at + width + len(domain)
    if not name or _not_a_host(domain) or text[end : end + 1] == "(" or text[end : end + 1] == "@":
        return None
    if len(name) > 64 or _LOGIN.search(text[max(0, start - 200) : start] + name.partition(":")[0]):
        return None
    return Span(start, end)


def _is_narrow(sign: str) -> bool:
    return sign.isascii() or bool(_NARROW_SIGN.match(sign))


def _name(local: str) -> str:
    """The name without what only leads up to it: quotes, slashes of a path, `key=` of a link."""
    for sign in "=/&?":
        local = local.rpartition(sign)[2]
    return local.lstrip(_TRIMMED)


def _host(domain: str) -> str:
    """The host without a sentence that is glued to its end ("x.com.Then", "x.com_")."""
    *front, last = domain.split(".")
    if len(front) > 1 and last[:1].isupper() and last[1:].islower() and not front[-1][:1].isupper():
        front, last = front[:-1], front[-1]
    return ".".join([*front, last])


def _not_a_host(domain: str) -> bool:
    labels = domain.lower().split(".")
    return (
        len(labels) < 2
        or labels[-1] in _FILES
        or _is_invalid(domain)
        or any(not label or label[0] == "-" or label[-1] == "-" for label in labels)
    )


def _is_invalid(domain: str) -> bool:
    return domain.lower().endswith("invalid")
