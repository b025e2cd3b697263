"""What recurs over many rows: boilerplate lines of documents, and rows that one template made."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable
from functools import cache

LONGEST = 300
_DIGITS = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]{3}")
# What varies in a template, each with a pattern without which a text holds none of it: most texts need one or two.
_KINDS = (
    (re.compile(r"\d"), r"\S*\d\S*"),
    (re.compile("@"), r"\S+@\S+"),
    (re.compile("://"), r"https?://\S+"),
    (re.compile('["“«]'), r"[\"“«][^\"”»]{1,80}[\"”»]"),
)
_CAPITALS = r"(?<=\s)[^\W\d_a-z][^\W\d_]*(?:\s+[^\W\d_a-z][^\W\d_]*)*"


class FrequentKeys:
    """Counts of the keys that occur often, in bounded memory (lossy counting, Manku and Motwani 2002).

    room: about how many keys are held. A count may be too low by n / room at most, where n keys were added; a key that
    occurs more often than that is never lost. Choose a Counter where the keys are known to be few.
    """

    def __init__(self, room: int = 200_000):
        self._room, self._epoch = room, 0
        self._added, self._next = 0, room
        self._counts: dict[str, int] = {}

    def add(self, keys: Iterable[tuple[str, int]]) -> None:
        """Count some keys, each so many times."""
        for key, count in keys:
            known = self._counts.get(key)
            self._counts[key] = count + (self._epoch if known is None else known)
            self._added += count
            if self._added >= self._next:
                self._epoch += 1
                self._next += self._room
                self._counts = {k: n for k, n in self._counts.items() if n > self._epoch}

    def at_least(self, count: int) -> dict[str, int]:
        """The keys counted `count` times or more, the most frequent first, ties by key."""
        found = ((key, n) for key, n in self._counts.items() if n >= count)
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def line_key(line: str) -> str | None:
    """A short key that lines share which differ in digits, case and blanks alone ('Page 3 of 9'); None for lines that
    are too long, or hold no word, to be boilerplate."""
    bare = _SPACE.sub(" ", line).strip().lower()
    if not 4 <= len(bare) <= LONGEST or not _WORD.search(bare):
        return None
    return _hash(_DIGITS.sub("0", bare))


def lines_of(text: str) -> Counter[str]:
    """The keys of a document's lines, each counted once; nothing for a text of one line."""
    if "\n" not in text:
        return Counter()
    return Counter({key for line in text.split("\n") if (key := line_key(line)) is not None})


def without_lines(text: str, keys: Container[str]) -> tuple[str, list[str]]:
    """`text` without the lines whose key is among `keys`, and those lines. A text of nothing else is left as it is."""
    if "\n" not in text:
        return text, []
    lines = text.split("\n")
    gone = [line_key(line) in keys for line in lines]
    removed = [line for line, out in zip(lines, gone, strict=True) if out]
    kept = "\n".join(line for line, out in zip(lines, gone, strict=True) if not out).strip("\n")
    return (kept, removed) if removed and kept.strip() else (text, [])


def template_key(text: str) -> str | None:
    """A key that texts share which one template made: equal but for numbers, addresses, quoted parts and names (capital
    letters inside a sentence). None for texts of fewer than six fixed words, where chance alone makes them alike, and for
    texts without anything variable (those are copies)."""
    text = text[:2000]
    fixed = _variable(tuple(sign.search(text) is not None for sign, _ in _KINDS)).sub("\0", text)
    if "\0" not in fixed or len(fixed.replace("\0", " ").split()) < 6:
        return None
    return _hash(_SPACE.sub(" ", fixed))


@cache
def _variable(held: tuple[bool, ...]) -> re.Pattern[str]:
    """The pattern for a text that holds these kinds."""
    return re.compile("|".join([*(kind for (_, kind), found in zip(_KINDS, held, strict=True) if found), _CAPITALS]))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
