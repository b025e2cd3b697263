"""Words of a text, for counting: letters and digits of every script, folded; no model, no list."""

from __future__ import annotations

import hashlib
import re

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Scripts written without blanks (Thai, Lao, Burmese, Khmer, kana, Chinese): each sign counts as a word.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)


def words(text: str) -> list[str]:
    """The words of `text` in order, case folded; signs of scripts without blanks (Chinese, Japanese, Thai) one by one."""
    return _WORD.findall(spaced(text).casefold())


def spaced(text: str) -> str:
    """`text` with blanks around every sign of a script that is written without blanks."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def stands_alone(sign: str) -> bool:
    """Whether one character counts as a word by itself."""
    return _UNSPACED.match(sign) is not None


def name_words(label: str) -> list[str]:
    """The words that a label's name is made of: 'cardArrival', 'card_arrival' and 'Card arrival' are all two."""
    return words(_CAMEL.sub(" ", label))


def order(seed: int, *parts: str) -> bytes:
    """A key (8 bytes) to sort by that depends on content and seed alone, never on where a row stands."""
    joined = "\x1f".join([str(seed), *parts])
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).digest()
