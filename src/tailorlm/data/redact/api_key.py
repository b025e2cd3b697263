"""Keys and tokens whose issuer gave them a form: by their beginnings, lengths and alphabets.

Sources: the issuers' own pages on secret scanning (GitHub, GitLab, AWS, Google, Slack, Stripe, OpenAI, Anthropic, Hugging Face,
npm, PyPI, SendGrid, Twilio, Azure, DigitalOcean, Telegram), RFC 7519 for JWT, RFC 7468 for PEM.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Span

# Each: the beginning that stays in a stand-in, and what follows it.
_FORMS = (
    ("(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA)", "[A-Z2-7]{16}"),
    ("gh[pousr]_", "[A-Za-z0-9]{36,251}"),
    ("github_pat_", "[A-Za-z0-9_]{36,250}"),
    ("gl(?:pat|dt|ptt|rt|soat|ft|imt|agent|oas|cbt)-", "[A-Za-z0-9_\\-]{20,64}"),
    ("sk-(?:proj-|svcacct-|admin-|None-)?", "[A-Za-z0-9_\\-]{20,200}"),
    ("sk-ant-", "[A-Za-z0-9_\\-]{32,200}"),
    ("sk-or-v1-", "[0-9a-f]{64}"),
    ("xox[abeoprs]-", "[A-Za-z0-9\\-]{10,250}"),
    ("xapp-", "[A-Za-z0-9\\-]{20,250}"),
    ("hooks\\.slack\\.com/services/", "[A-Za-z0-9/]{30,80}"),
    ("AIza", "[A-Za-z0-9_\\-]{35}"),
    ("ya29\\.", "[A-Za-z0-9_\\-]{20,400}"),
    ("GOCSPX-", "[A-Za-z0-9_\\-]{28}"),
    ("(?:sk|rk|pk)_(?:live|test)_", "[A-Za-z0-9]{16,250}"),
    ("whsec_", "[A-Za-z0-9+/=]{24,80}"),
    ("hf_", "[A-Za-z]{34,40}"),
    ("npm_", "[A-Za-z0-9]{36}"),
    ("pypi-AgEI", "[A-Za-z0-9_\\-]{50,400}"),
    ("SG\\.", "[A-Za-z0-9_\\-]{22}\\.[A-Za-z0-9_\\-]{43}"),
    ("(?:AC|SK)", "[0-9a-f]{32}"),
    ("do[opr]_v1_", "[0-9a-f]{64}"),
    ("shp(?:at|ca|pa|ss)_", "[0-9a-fA-F]{32}"),
    ("key-", "[0-9a-f]{32}"),
    ("glsa_", "[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    ("dapi", "[0-9a-f]{32}"),
    ("AccountKey=", "[A-Za-z0-9+/]{86}=="),
    ("eyJ", "[A-Za-z0-9_\\-]{10,8000}\\.eyJ[A-Za-z0-9_\\-]{4,8000}\\.[A-Za-z0-9_\\-]{0,2000}"),
)
# Telegram's bots have a number in front, so its beginning is no fixed word.
_BOT = r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}"
_ANY = "|".join(f"{begin}{rest}" for begin, rest in _FORMS)
_KEY = re.compile(rf"(?<![A-Za-z0-9_\-])(?:{_ANY}|{_BOT})(?![A-Za-z0-9_])")
_BEGINS = re.compile(rf"(?:{'|'.join(begin for begin, _ in sorted(_FORMS, key=lambda f: -len(f[0])))})")
_SHORTEST = 15
"""Characters of the shortest key (`xoxb-` and ten more), which holds no blank: most texts have no word that long."""
_PEM = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_PEM_LONGEST = 32_768
_OURS = re.compile("redacted", re.IGNORECASE)
_LONG, _LONG_WORD = 100_000, re.compile(rf"\S{{{_SHORTEST}}}")


def _has_long_word(text: str) -> bool:
    if len(text) > _LONG:  # a list of its words would take ten times the memory of the text
        return _LONG_WORD.search(text) is not None
    return max(map(len, text.split()), default=0) >= _SHORTEST


class ApiKey:
    """Keys of the big issuers, JSON Web Tokens and private keys in PEM.

    A form without letters and digits mixed is left (`sk-learn-compatible-estimators`). A private key goes from its first
    line to its last, or, where that is missing, to the end of the text (32,768 characters at most).
    Stand-ins keep the issuer's beginning and the length, and say REDACTED. For keys of no known form see `secret`.
    """

    name = "api_key"
    least_digits = 0

    def find(self, view: View) -> Iterator[Span]:
        """Keys from their first character to their last."""
        text = view.text
        for found in _KEY.finditer(text) if _has_long_word(text) else ():
            if not _OURS.search(found[0]) and _is_random(found[0]):
                yield Span(*found.span(), True)
        if "PRIVATE KEY" in text:
            yield from _pem_keys(text)

    def same(self, value: str) -> str:
        """As written; line ends of private keys do not count."""
        return re.sub(r"\s+|\\n", "", value) if value.startswith("-----") else value

    def pseudonym(self, value: str, draw: Draw) -> str:
        """The same beginning and length, REDACTED in it."""
        if value.startswith("-----"):
            label = _PEM.match(value)
            name = label["label"] if label else "PRIVATE KEY"
            return f"-----BEGIN {name}-----\nREDACTED{draw.some(string.ascii_letters, 24)}\n-----END {name}-----"
        begin = _BEGINS.match(value)
        kept = begin[0] if begin else ""
        length = len(value) - len(kept) - 8
        return f"{kept}REDACTED{draw.some(string.ascii_letters + string.digits, max(8, min(length, 48)))}"


def _is_random(key: str) -> bool:
    """Letters and digits mixed, or at least both cases: not words with dashes between them."""
    body = key[_BEGINS.match(key).end() :] if _BEGINS.match(key) else key  # type: ignore[union-attr]
    capitals = sum(c.isupper() for c in body)
    has_digit = any(c.isdigit() for c in body)
    return len(set(body)) > 5 and (has_digit or (capitals > 2 and not body.isupper()))


def _pem_keys(text: str) -> Iterator[Span]:
    end = 0
    while begin := _PEM.search(text, end):
        close = f"-----END {begin['label']}-----"
        at = text.find(close, begin.end(), begin.end() + _PEM_LONGEST)
        end = at + len(close) if at >= 0 else min(len(text), begin.end() + _PEM_LONGEST)
        if not _OURS.match(text[begin.end() : begin.end() + 12].lstrip()):
            yield Span(begin.start(), end, True)
