"""Words of texts for ROUGE and BLEU, runs of them, and the longest common subsequence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# Scripts that are written without spaces: each sign stands for itself.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31f0-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORD = re.compile(f"[{SPACELESS}]|[^\\W_{SPACELESS}]+")


def words(text: str) -> list[str]:
    """Letters and digits in small letters, cut at everything else; signs of scripts without spaces one by one."""
    return _WORD.findall(text.lower())


def runs(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n tokens stands there."""
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def f1(same: int, wanted: int, said: int) -> float:
    """The harmonic mean of same / wanted and same / said; 0 where nothing is the same."""
    return 2 * same / (wanted + said) if same else 0.0


def shared_runs(gold: str, answer: str, n: int) -> float:
    """F1 of the runs of n words that two texts share, each counted as often as it stands in both."""
    wanted, said = runs(words(gold), n), runs(words(answer), n)
    return f1((wanted & said).total(), wanted.total(), said.total())


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, by bits: one step a token of `second`.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for i, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << i
    every = (1 << len(first)) - 1
    open_ = every
    for token in second:
        hits = open_ & places.get(token, 0)
        open_ = ((open_ + hits) | (open_ - hits)) & every
    return len(first) - open_.bit_count()
