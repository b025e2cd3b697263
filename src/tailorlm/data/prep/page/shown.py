"""Texts for the page: what cannot be seen is named, and what changed is marked."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache
from typing import Any

_WORDS = re.compile(r"\w+|\s|[^\w\s]")
_HIDDEN = re.compile(
    "[^\n\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u058f\u0900-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u20ff\u2100-\u2bff\u3001-\ud7ff\uf900-\ufaff\uff00-\uffef]"
)


def visible(text: str) -> str:
    """`text` with control, invisible and unusual blank characters written out: `[U+200B]`, `[tab]`."""
    return _HIDDEN.sub(lambda found: _name(found[0]), text).replace("\n", "↵\n")


def difference(before: str, after: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both texts as pieces `{text, changed}`, compared word by word.

    Blanks that changed are drawn. Where both texts were cut, at places that need not fit each other, what differs at their
    very ends is left out.
    """
    cut = before.endswith("…") and after.endswith("…")
    a, b = (_WORDS.findall(text.removesuffix("…") if cut else text) for text in (before, after))
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    if cut and len(blocks) > 2 and blocks[-1][0] != "equal":
        blocks.pop()
    old: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for tag, i, j, k, m in blocks:
        for pieces, words in ((old, a[i:j]), (new, b[k:m])):
            if words:
                pieces.append({"text": _drawn("".join(words), tag != "equal"), "changed": tag != "equal"})
    if cut:
        for pieces in (old, new):
            pieces.append({"text": "…", "changed": False})
    return old, new


def _drawn(text: str, changed: bool) -> str:
    return visible(text.replace(" ", "␣") if changed and not text.strip(" \n") else text)


@cache
def _name(sign: str) -> str:
    if sign == "\t":
        return "[tab]"
    if sign == "\r":
        return "[CR]"
    kind = unicodedata.category(sign)
    # Letters, marks, digits, symbols and punctuation of every script stay as they are.
    return sign if kind[0] in "LMNSP" and sign != "\ufffc" else f"[U+{ord(sign):04X}]"
