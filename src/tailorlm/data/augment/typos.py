"""Typing mistakes: a neighbouring key, two letters swapped, one lost, one doubled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.augment._draft import Draft, Pool, edited
from tailorlm.data.augment._words import in_case_of, letter_runs, replaced

_LAYOUTS = {
    "qwerty": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
_LEAST = 4


class Typos:
    """Makes typing mistakes in some words, one a word: neighbouring key, swap, loss or doubling of a letter.

    Words of fewer than four letters, first letters, digits, and scripts without blanks between words stay as they are,
    and combining marks keep their letter. None where no word is left.
    Choose it where people type (chats, tickets, searches) and the rows are cleaner than what the model will meet.
    Instead: `word_drop` for wording, `rewrite` for new wordings.
    """

    class Settings(BaseSettings):
        """How much is mistyped, and on which keyboard."""

        share: float = setting(0.15, gt=0, le=1, help="share of the words that get a mistake; one at least")
        keyboard: Literal["qwerty", "qwertz", "azerty"] = setting("qwerty", help="which keys are neighbours")

    name = "typos"

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or self.Settings()

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        return edited(self.name, self.edit, origins, pool, seeds)

    def edit(self, text: str, random: np.random.Generator) -> str | None:
        """`text` with mistakes, or None where it has no word to make one in."""
        runs = letter_runs(text, _LEAST)
        if not runs:
            return None
        wanted = max(1, round(self.settings.share * len(runs)))
        chosen = [runs[k] for k in random.choice(len(runs), wanted, replace=False)]
        return replaced(text, [(start, end, self._mistyped(text[start:end], random)) for start, end in chosen])

    def _mistyped(self, word: str, random: np.random.Generator) -> str:
        place = int(random.integers(1, len(word)))
        keys = neighbours(self.settings.keyboard).get(word[place].lower(), "")
        kind = random.choice(["neighbour", "swap", "drop", "double"])
        if kind == "neighbour" and keys:
            return word[:place] + in_case_of(word[place], keys[random.integers(len(keys))]) + word[place + 1 :]
        if kind == "drop":
            return word[:place] + word[place + 1 :]
        if kind == "double":
            return word[:place] + word[place] + word[place:]
        place = min(place, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


@cache
def neighbours(keyboard: str) -> dict[str, str]:
    """For each key the keys beside it: left and right, and the two above and below (rows stand half a key apart)."""
    rows = _LAYOUTS[keyboard]
    found: dict[str, str] = {}
    for r, row in enumerate(rows):
        for k, key in enumerate(row):
            near = [(r, k - 1), (r, k + 1), (r - 1, k), (r - 1, k + 1), (r + 1, k - 1), (r + 1, k)]
            found[key] = "".join(rows[i][j] for i, j in near if 0 <= i < len(rows) and 0 <= j < len(rows[i]))
    return found
