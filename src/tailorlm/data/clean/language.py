"""The language of a text, or nothing: short texts and close calls are not guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

LETTERS = 24
"""Below this many letters nothing is said: the identifier calls 'ok' Afrikaans."""
LIKELY = 0.8
"""Below this probability nothing is said."""
_ENOUGH = 1000
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Guess:
    """An ISO 639-1 code and its probability (0 to 1)."""

    code: str
    probability: float


def identify(text: str, *, letters: int = LETTERS, likely: float = LIKELY) -> Guess | None:
    """The language of `text`, or None where it has fewer than `letters` letters or no language is `likely` enough.

    A naive Bayes model over byte n-grams (py3langid, model inside the package: no network); the first 1,000
    characters decide. CJK signs count three letters each. Choose it for filters and reports; for text that mixes
    languages nothing here is right.
    """
    start = text[:_ENOUGH]
    count = sum(map(str.isalpha, start)) + 2 * len(_CJK.findall(start))
    if count < letters:
        return None
    code, probability = _identifier().classify(start.encode("utf-8", "replace").decode("utf-8"))
    return Guess(str(code), float(probability)) if probability >= likely else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
