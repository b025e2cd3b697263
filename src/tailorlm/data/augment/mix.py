"""Sentences of two rows of one label put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.augment._draft import Draft, Pool

_END = re.compile(r"(?<=[^\W\d_]{2}[.!?…])[\"'”’»)]*\s+|[。！？]+[」』”）]*\s*|\n\s*")


class Mix:
    """Exchanges some sentences of a row for sentences of another row of the same label.

    A row of one sentence gives None: there is nothing to exchange, and two single sentences in a row would make rows
    twice as long as any that are real. The other row may have any number of sentences.
    Choose it for reviews, tickets, letters: texts of several sentences of which each carries the label. Not where a text
    argues from one sentence to the next, or names and numbers must agree. Instead: `typos`, `rewrite`.
    """

    class Settings(BaseSettings):
        """How much is exchanged."""

        share: float = setting(0.5, gt=0, lt=1, help="share of the sentences that come from the other row")

    name = "mix"

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or self.Settings()

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin; the other row is drawn from those of its label."""
        return [self._mixed(i, pool, np.random.default_rng(seed)) for i, seed in zip(origins, seeds, strict=True)]

    def _mixed(self, origin: int, pool: Pool, random: np.random.Generator) -> Draft | None:
        others = pool.of[pool.labels[origin]]
        own = sentences(pool.texts[origin])
        if len(own) < 2 or len(others) < 2:
            return None
        other = others[int(random.integers(len(others)))]
        if other == origin:
            return None
        theirs = sentences(pool.texts[other])
        wanted = min(max(1, round(self.settings.share * len(own))), len(own) - 1, len(theirs))
        if wanted < 1:
            return None
        places = sorted(random.choice(len(own), wanted, replace=False))
        taken = sorted(random.choice(len(theirs), wanted, replace=False))
        for place, k in zip(places, taken, strict=True):
            # The blanks belong to the place, not to the sentence.
            tail = own[place][len(own[place].rstrip()) :]
            own[place] = theirs[k].rstrip() + tail
        return Draft("".join(own), pool.labels[origin], self.name, (origin, other))


def sentences(text: str) -> list[str]:
    """The sentences of a text with the blanks after them; joined they are the text again.

    A stop behind two letters ends one, whatever follows: people who write without capitals are the rule in reviews and
    chats, and a cut in the wrong place costs little here (`data.sentences` is stricter).
    """
    ends = [match.end() for match in _END.finditer(text) if match.end() < len(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])]
