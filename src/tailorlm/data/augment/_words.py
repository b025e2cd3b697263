"""Words as ways of augmenting see them: where they stand, and which must be left alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from tailorlm.data.audit.words import stands_alone

_TOKEN = re.compile(r"\S+")
_RUN = re.compile(r"[^\W\d_]+")
# Addresses, tags, placeholders like [NAME]: to be kept to the letter.
_CODE = re.compile(r"[@/\\_<>\[\]{}#=0-9]")
_EDGE = re.compile(r"^[^\w]+|[^\w]+$")

# A text without its 'not' says the opposite, and no check on words notices it reliably.
NEGATIONS = frozenset({
    "no", "not", "never", "nor", "none", "nobody", "nothing", "nowhere", "neither", "cannot", "without", "hardly",
    "nicht", "nichts", "kein", "keine", "keinen", "keinem", "keiner", "nie", "niemals", "ohne", "weder", "ne", "pas",
    "jamais", "rien", "aucun", "aucune", "sans", "non", "ningún", "nunca", "nada", "sin", "não", "nem", "sem", "mai",
    "niente", "senza", "niet", "geen", "nooit", "zonder", "inte", "aldrig", "ikke", "aldri",
})  # fmt: skip


def tokens(text: str) -> list[tuple[int, int]]:
    """Start and end of every run without blanks."""
    return [match.span() for match in _TOKEN.finditer(text)]


def protected(token: str) -> bool:
    """Whether a token must stay where it is: negations ('not', "don't"), addresses and
    placeholders, anything with a digit, and bare signs."""
    bare = _EDGE.sub("", token).casefold()
    return (
        not bare
        or _CODE.search(token) is not None
        or bare in NEGATIONS
        or bare.endswith(("n't", "n’t"))
        or any(sign.isdigit() for sign in bare)
        or not any(sign.isalpha() for sign in bare)
    )


def letter_runs(text: str, least: int) -> list[tuple[int, int]]:
    """Start and end of every word of `least` letters or more, in scripts with blanks between words.

    Addresses, placeholders and anything with a digit are left out whole. The last letter of a word is left out where a
    combining mark follows, which would lose its carrier.
    """
    found = []
    plain = [span for span in tokens(text) if not _CODE.search(text, *span)]
    for match in (match for span in plain for match in _RUN.finditer(text, *span)):
        start, end = match.span()
        if end < len(text) and unicodedata.category(text[end])[0] == "M":
            end -= 1
        if end - start >= least and not any(stands_alone(sign) for sign in text[start:end]):
            found.append((start, end))
    return found


def replaced(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """`text` with each stretch (start, end) exchanged for another text; stretches do not overlap, in any order."""
    pieces, at = [], 0
    for start, end, new in sorted(changes):
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


def in_case_of(old: str, new: str) -> str:
    """`new` in the case of `old`: all capitals, a capital first, or as it is."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    if old[:1].isupper():
        return new[:1].upper() + new[1:]
    return new
