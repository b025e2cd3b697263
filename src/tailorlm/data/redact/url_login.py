"""User names and passwords in links (`https://user:password@host`), RFC 3986 section 3.2.1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span

_LOGIN = re.compile(r"(?<=://)[^\s/?#@:\"'<>\[\]]{0,128}:[^\s/?#\"'<>@]{1,256}(?=@[\w\[])")


class UrlLogin:
    """The part between `://` and `@` of a link, where it holds a password.

    The link itself and its host stay. A name without a password (`ssh://git@host`) is left, or found as an e-mail address.
    Stand-ins are `redacted-…:redacted-…`.
    """

    name = "url_login"
    least_digits = 0

    def find(self, view: View) -> Iterator[Span]:
        """User and password with the colon between them."""
        if "://" in view.text and "@" in view.text:
            for found in _LOGIN.finditer(view.text):
                password = found[0].partition(":")[2]
                # "${PASSWORD}", "{password}" and "***" are places for one.
                if not (
                    password.startswith(("redacted", "${", "$(", "{", "%(", "%s"))
                    or set(password) <= {"*", "x", "X", "."}
                ):
                    yield Span(*found.span())

    def same(self, value: str) -> str:
        """As written."""
        return value

    def pseudonym(self, value: str, draw: Draw) -> str:
        """A user and a password that say what they are."""
        letters = "abcdefghijkmnpqrstuvwxyz23456789"
        return f"redacted-{draw.some(letters, 8)}:redacted-{draw.some(letters, 8)}"
