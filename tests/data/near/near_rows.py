"""Rows made by rule for the tests of duplicate search: nobody's text, always the same."""

from __future__ import annotations

import random

SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "wu",
    "xa",
    "yo",
    "ze",
    "shi",
    "tru",
]


def sentence(rnd: random.Random, words: int) -> str:
    return " ".join("".join(rnd.choices(SYLLABLES, k=rnd.randint(1, 3))) for _ in range(words))


def edited(text: str, rnd: random.Random) -> str:
    """The text with one to four characters changed, taken out or put in."""
    for _ in range(rnd.randint(1, 4)):
        at = rnd.randrange(len(text))
        text = text[:at] + rnd.choice(["", "q", "qz"]) + text[at + rnd.randint(0, 1) :]
    return text


def rows(count: int, seed: int = 0) -> list[str]:
    """Half of them new sentences of 3 to 20 words, half copies of those before: as they were, dressed up, or edited."""
    rnd = random.Random(seed)
    made: list[str] = []
    for _ in range(count):
        if not made or rnd.random() < 0.5:
            made.append(sentence(rnd, rnd.randint(3, 20)))
        else:
            old = rnd.choice(made)
            made.append(rnd.choice([old, f"{old.upper()}!", edited(old, rnd), edited(old, rnd)]))
    return made
