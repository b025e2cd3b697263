"""Passwords and keys of no known form, told by the word beside them and by how random they are."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span

_PASSWORD = r"pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort|contraseña|mot de passe|senha|wachtwoord|hasło|пароль|密码|パスワード"
_KEY = (
    r"(?:api|access|auth|secret|private|encryption|signing|master|account|shared|client|bearer|refresh|session|webhook|deploy)"
    r"[_ .\-]?(?:key|token|secret)|secret|token|bearer|credentials?|client[_ ]?secret|apikey|sig(?:nature)?"
)
_STEMS = ("pass", "pwd", "kennwort", "contrase", "senha", "wachtwoord", "hasło", "парол", "密码", "パスワード", "key", "token", "secret",
          "bearer", "authorization", "credential", "sig")  # fmt: skip
_ANY_STEM = re.compile("|".join(_STEMS))
_BESIDE = re.compile(
    rf"(?<![^\W_])(?:(?P<password>{_PASSWORD})|(?:{_KEY}))(?:[_\-.][A-Za-z0-9]{{1,20}}){{0,2}}[\"'`\]]{{0,2}}"
    r"(?:(?P<sign> ?(?:=>|:=|==?|:|：)[ \t]{0,4}| (?:is|was|ist|lautet|es|est)[: ] ?)| )[\"'`(]{0,2}(?:Bearer |Basic )?"
    r"(?P<value>[^\s\"'`<>,;(){}\[\]]{6,512})",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"\b(?:Authorization: ?(?:Basic|Bearer|Token)|Bearer) (?P<value>[A-Za-z0-9+/=_.\-~]{12,2048})", re.IGNORECASE
)
# References to a secret, places for one, and examples.
_NO_VALUE = re.compile(
    r"\$|%|\*{3}|x{4}|\.{3}|…|://|os\.|env|self\.|this\.|config|settings|example|your|placeholder|changeme|none|null|undefined|"
    r"redacted|true|false|todo",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z_]*(?:pass|pwd|secret|token|key)[A-Za-z_]*[0-9]?", re.IGNORECASE)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[._][A-Za-z_]\w*)+")
_METHODS = frozenset(("sha256", "sha512", "base64", "bcrypt", "argon2", "pbkdf2"))
_CODE = re.compile(
    r"[A-Za-z_]\w*(?:[._][A-Za-z_]\w*)+|[a-z]+(?:-[a-z]+)+|[A-Z]?[a-z]+\d?|[A-Z_]+\d?|\d+(?:\.\d+)*[a-z%]?"
)


class Secret:
    """What stands behind `password =`, `api_key:`, `token is`, `Authorization: Bearer`, and looks as no word does.

    Passwords: six characters or more, with a digit or a sign among letters. Keys and tokens: sixteen or more, three bits of
    entropy a character or more, letters and digits. Words, names in code, numbers and places for a value (`${TOKEN}`,
    `os.environ`) are left. Choose `api_key` beside it: that one needs no word.
    Stand-ins are `redacted-` and letters.
    """

    name = "secret"
    least_digits = 0

    def find(self, view: View) -> Iterator[Span]:
        """The values, without the words and signs around them."""
        if not _ANY_STEM.search(view.lower):
            return
        for found in _BESIDE.finditer(view.text):
            value = found["value"].rstrip(".:?")
            strong = _is_password(value) and found["sign"] if found["password"] else _is_key(value)
            if strong:
                yield Span(found.start("value"), found.start("value") + len(value), True)
        if "bearer" in view.lower or "authorization" in view.lower:
            for found in _AUTHORIZATION.finditer(view.text):
                if _is_key(found["value"]):
                    yield Span(*found.span("value"), True)

    def same(self, value: str) -> str:
        """As written."""
        return value

    def pseudonym(self, value: str, draw: Draw) -> str:
        """`redacted-` and twelve letters and digits."""
        return f"redacted-{draw.some(string.ascii_letters + string.digits, 12)}"


def _is_password(value: str) -> bool:
    if (
        len(value) < 6
        or _NO_VALUE.search(value)
        or _DOTTED.fullmatch(value)
        or _NAME.fullmatch(value)
        or value.lower() in _METHODS
    ):
        return False
    return any(c.isalpha() for c in value) and not value.replace("-", "").isalpha()


def _is_key(value: str) -> bool:
    if (
        len(value) < 16
        or _NO_VALUE.match(value)
        or "redacted" in value.lower()
        or _CODE.fullmatch(value)
        or _NAME.fullmatch(value)
    ):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and entropy(value) >= 3.0


def entropy(text: str) -> float:
    """Bits a character, by how often each stands in the text itself (Shannon)."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
