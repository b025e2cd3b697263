"""Which rows of a cluster stay and which are given up, by a rule, with the row that stands for each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError
from tailorlm.data.near.bar import Bar, bar_of
from tailorlm.data.near.clusters import Cluster
from tailorlm.data.near.crowd import Crowd
from tailorlm.data.near.shingles import Shingles
from tailorlm.data.near.vectors import cosine
from tailorlm.data.near.verify import Fetch, fetched, jaccard
from tailorlm.data.quality import normalised

Rule = Literal["first", "longest", "cleanest", "recent"]
RULES: tuple[Rule, ...] = get_args(Rule)
_ROWS, _CHARACTERS = 2048, 1_000_000
_CROWD = 128  # rows of a cluster from which on not all pairs are compared

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
    threshold: float | Bar = 0.7,
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
    of small edits (A near B, B near C, A not near C) keeps A and C. Every row of a cluster is fetched once, with those of others.
    Raises UsageError for an unknown rule, or 'recent' without `when`.
    """
    if rule not in RULES:
        raise UsageError(f"there is no rule called '{rule}'", allowed=", ".join(RULES))
    if rule == "recent" and when is None:
        raise UsageError("the rule 'recent' needs to know when a row was made", hint="name the column with the date")
    cut, bar = shingles or Shingles(), bar_of(threshold)
    given: list[Given] = []
    for batch in batches(clusters):
        rows = np.unique(np.concatenate([cluster.indices for cluster in batch]))
        texts = dict(zip(rows.tolist(), fetched(fetch, rows), strict=True))
        ranks = {row: (before is None or before(row), _rank(row, texts[row], rule, when)) for row in texts}
        # Of each cluster the rows not yet settled, the best one first.
        open_ = [sorted(cluster.indices, key=ranks.__getitem__, reverse=True) for cluster in batch]
        if vectors is None:
            for left in (left for left in open_ if len(left) >= _CROWD):
                given += _of_many(left, texts, cut, bar)
            open_ = [left for left in open_ if len(left) < _CROWD]
        while open_:
            pairs = [(left[0], row) for left in open_ for row in left[1:]]
            similar = iter(_similar(pairs, texts, cut) if vectors is None else _cosines(pairs, vectors))
            rest = []
            for left in open_:
                judged = [(row, next(similar)) for row in left[1:]]
                least = bar.of(len(texts[left[0]]), [len(texts[row]) for row in left[1:]]).tolist()
                given += [Given(row, left[0], s) for (row, s), bound in zip(judged, least, strict=True) if s >= bound]
                rest.append([row for (row, s), bound in zip(judged, least, strict=True) if s < bound])
            open_ = [left for left in rest if left]
    return sorted(given, key=lambda one: one.index)


def _of_many(ranked: Sequence[int], texts: Mapping[int, str], shingles: Shingles, bar: Bar) -> list[Given]:
    """The rows of one large cluster to give up. ranked: its rows, the best first."""
    own = [texts[row] for row in ranked]
    lengths = np.array(list(map(len, own)))
    crowd, open_ = Crowd(own, shingles, bar.low), np.ones(len(own), bool)
    # Texts without a single shingle are alike in nothing, but may be equal.
    alone: dict[str, int] = {}
    given = []
    for place, row in enumerate(ranked):
        if not open_[place]:
            continue
        open_[place] = False
        if crowd.empty(place):
            first = alone.setdefault(normalised(own[place]), row)
            given += [Given(row, first, 1.0)] if first != row else []
            continue
        near, similar = crowd.near(place, open_)
        goes = similar >= bar.of(lengths[place], lengths[near])
        open_[near[goes]] = False
        found = zip(near[goes].tolist(), similar[goes].tolist(), strict=True)
        given += [Given(ranked[other], row, similarity) for other, similarity in found]
    return given


def batches(clusters: Iterable[Cluster]) -> Iterator[list[Cluster]]:
    """Clusters in lists of some thousand rows together, or single large ones: worth one fetch and one call of numpy."""
    held: list[Cluster] = []
    size = 0
    for cluster in clusters:
        held.append(cluster)
        size += len(cluster.indices)
        if size >= _ROWS:
            yield held
            held, size = [], 0
    if held:
        yield held


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


def _similar(pairs: Sequence[tuple[int, int]], texts: Mapping[int, str], shingles: Shingles) -> list[float]:
    """The true similarity of the texts of each pair of rows; 1.0 where they are equal when folded."""
    if not pairs:
        return []
    flat = np.asarray(pairs, np.int64)
    found = np.empty(len(flat))
    # In parts whose texts fit in memory together; a pair of long texts may be a part by itself.
    lengths = np.array([len(texts[left]) + len(texts[right]) for left, right in pairs]).cumsum()
    at = 0
    while at < len(flat):
        done = int(lengths[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(lengths, done + _CHARACTERS, side="right")))
        rows, places = np.unique(flat[at:end], return_inverse=True)
        found[at:end] = jaccard([texts[row] for row in rows.tolist()], places.reshape(-1, 2), shingles)
        at = end
    # Texts without a single shingle are alike in nothing, but may be equal.
    for place in np.flatnonzero(found == 0.0).tolist():
        left, right = pairs[place]
        found[place] = float(normalised(texts[left]) == normalised(texts[right]))
    return [float(similar) for similar in found]


def _cosines(pairs: Sequence[tuple[int, int]], vectors: NDArray[Any]) -> list[float]:
    return [cosine(vectors[left], vectors[right]) for left, right in pairs]
