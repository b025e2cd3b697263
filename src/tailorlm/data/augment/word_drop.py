"""Some words left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.augment._draft import Draft, Pool, edited
from tailorlm.data.augment._words import protected, replaced, tokens


class WordDrop:
    """Leaves some words out; negations, numbers and bare signs stay, and three words at least.

    None for texts of three words or fewer, and for scripts without blanks between words.
    Choose it to keep a model from leaning on single words. Instead: `typos` for how people type, `synonyms` where other
    words say the same.
    Source: random deletion of Wei and Zou 2019, "EDA", arXiv:1901.11196.
    """

    class Settings(BaseSettings):
        """How much is left out."""

        share: float = setting(0.15, gt=0, lt=1, help="share of the words that are left out; one at least")

    name = "word_drop"

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or self.Settings()

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        return edited(self.name, self.edit, origins, pool, seeds)

    def edit(self, text: str, random: np.random.Generator) -> str | None:
        """`text` without some words, or None where none may go."""
        spans = tokens(text)
        free = [k for k, (start, end) in enumerate(spans) if not protected(text[start:end])]
        wanted = min(max(1, round(self.settings.share * len(spans))), len(spans) - 3, len(free))
        if wanted < 1:
            return None
        gone = {free[i] for i in random.choice(len(free), wanted, replace=False)}
        # The blank goes with the word: the one before it, or, at the start, the one after it.
        first = min(set(range(len(spans))) - gone)
        head = [(spans[0][0], spans[first][0], "")] if first else []
        return replaced(text, head + [(spans[k - 1][1], spans[k][1], "") for k in gone if k > first])
