"""Which rows of a cluster stay and which are given up, by a rule, with the row that stands for each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError
from tailorlm.data.near.clusters import Cluster
from tailorlm.data.near.shingles import Shingles
from tailorlm.data.near.sketches import portions
from tailorlm.data.near.vectors import cosine
from tailorlm.data.near.verify import Fetch, fetched, jaccard
from tailorlm.data.quality import normalised

Rule = Literal["first", "longest", "cleanest", "recent"]
RULES: tuple[Rule, ...] = get_args(Rule)

# Signs of a text that was damaged on its way: UTF-8 read as Latin-1, entities and tags, escapes that were never undone.
_DAMAGE = re.compile(
    r"[ÃÂ][\u0080-\u00bf]|â€|ï»¿|&(?:[a-z]{2,8}|#\d{1,6});|</?[a-z][^<>]{0,80}>|\\[nrtu]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Given:
    """A row given up (`index`) for one that is kept (`kept`), and how alike the two are (1.0: equal when folded)."""

    index: int
    kept: int
    similarity: float


def choose(
    clusters: Iterable[Cluster],
    fetch: Fetch,
    *,
    rule: Rule = "first",
    threshold: float = 0.7,
    shingles: Shingles | None = None,
    when: Callable[[int], Any] | None = None,
    before: Callable[[int], bool] | None = None,
    vectors: NDArray[Any] | None = None,
) -> list[Given]:
    """The rows to give up, rising: each is near a row that is kept, and no row is given up for one that is not.

    rule: 'first' keeps the row that was added first, 'longest' the one with most characters, 'cleanest' the one with the
    fewest traces of damage (see `damage`), 'recent' the one with the greatest `when(index)` (None counts as oldest); ties
    go to the longer, then the earlier row. threshold, shingles: those the clusters were found with (`Near.shingles`). before(index): rows
    that are kept before all others (test rows, so that copies go from train); they are given up for one another only.
    vectors: those of `find_semantic`, whose cosine then stands in place of the Jaccard similarity.

    The best row of a cluster stays and the rows near it go; of those left the best stays, and so on. So a chain
    of small edits (A near B, B near C, A not near C) keeps A and C. Every row of a cluster is fetched once.
    Raises UsageError for an unknown rule, or 'recent' without `when`.
    """
    if rule not in RULES:
        raise UsageError(f"there is no rule called '{rule}'", allowed=", ".join(RULES))
    if rule == "recent" and when is None:
        raise UsageError("the rule 'recent' needs to know when a row was made", hint="name the column with the date")
    cut = shingles or Shingles()
    given: list[Given] = []
    for cluster in clusters:
        rows = cluster.indices
        texts = dict(zip(rows, fetched(fetch, np.asarray(rows, np.int64)), strict=True))
        ranks = {row: (before is None or before(row), _rank(row, texts[row], rule, when)) for row in rows}
        left = sorted(rows, key=ranks.__getitem__, reverse=True)
        while left:
            kept, others = left[0], left[1:]
            if vectors is None:
                similar = _similar(texts[kept], [texts[row] for row in others], cut)
            else:
                similar = [cosine(vectors[kept], vectors[row]) for row in others]
            near = {row: s for row, s in zip(others, similar, strict=True) if s >= threshold}
            given += [Given(row, kept, s) for row, s in near.items()]
            left = [row for row in others if row not in near]
    return sorted(given, key=lambda one: one.index)


def damage(text: str) -> int:
    """How many traces of damage a text bears: replacement and control characters, mojibake, HTML, raw escapes.

    >>> damage("plain text"), damage("cafÃ© &amp; <br> bar\\ufffd")
    (0, 4)
    """
    strange = sum(
        c == "\ufffd" or (c not in "\t\r\n" and unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn")) for c in text
    )
    return strange + len(_DAMAGE.findall(text))


def _rank(row: int, text: str, rule: Rule, when: Callable[[int], Any] | None) -> tuple[Any, ...]:
    """Greater is kept. The last two settle ties: more text, then the earlier row."""
    if rule == "first":
        return (-row,)
    value: tuple[Any, ...] = ()
    if rule == "cleanest":
        value = (-damage(text),)
    elif when is not None and rule == "recent":
        date = when(row)
        value = (date is not None, date if date is not None else 0)
    return (*value, len(text), -row)


def _similar(text: str, others: Sequence[str], shingles: Shingles) -> list[float]:
    """The true similarity of a text to others; 1.0 where they are equal when folded."""
    own = normalised(text)
    found: list[float] = []
    for part in portions(others):
        pairs = np.array([(0, i + 1) for i in range(len(part))])
        similar = jaccard([text, *part], pairs, shingles).tolist()
        found += [1.0 if normalised(other) == own else s for other, s in zip(part, similar, strict=True)]
    return found
