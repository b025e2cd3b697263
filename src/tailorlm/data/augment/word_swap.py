"""Neighbouring words exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.augment._draft import Draft, Pool, edited
from tailorlm.data.augment._words import protected, tokens


class WordSwap:
    """Exchanges neighbouring words in some places; negations, numbers and bare signs stay where they are.

    The words themselves stay, so a model that counts words sees nothing new: it helps models that read order.
    None where no two neighbours may be exchanged, and for scripts without blanks between words.
    Choose it beside other ways. Instead: `word_drop`, `synonyms`.
    Source: random swap of Wei and Zou 2019, "EDA", arXiv:1901.11196; here neighbours alone, which keeps the sense longer.
    """

    class Settings(BaseSettings):
        """How much is exchanged."""

        share: float = setting(0.1, gt=0, le=0.5, help="share of the words that start an exchange; one at least")

    name = "word_swap"

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or self.Settings()

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        return edited(self.name, self.edit, origins, pool, seeds)

    def edit(self, text: str, random: np.random.Generator) -> str | None:
        """`text` with neighbours exchanged, or None where none may be."""
        spans = tokens(text)
        words = [text[start:end] for start, end in spans]
        free = [
            k for k in range(len(words) - 1) if words[k] != words[k + 1] and not any(map(protected, words[k : k + 2]))
        ]
        if not free:
            return None
        wanted = max(1, round(self.settings.share * len(words)))
        moved: set[int] = set()
        for i in random.permutation(len(free)):
            k = free[i]
            if len(moved) < 2 * wanted and not {k, k + 1} & moved:
                words[k], words[k + 1] = words[k + 1], words[k]
                moved |= {k, k + 1}
        gaps = [text[end:start] for (_, end), (start, _) in pairwise(spans)]
        return (
            text[: spans[0][0]] + "".join(w + g for w, g in zip(words, [*gaps, ""], strict=True)) + text[spans[-1][1] :]
        )
