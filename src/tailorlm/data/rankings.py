"""How good a search is where it is known what should be found: recall, hits, reciprocal rank, nDCG, average precision; one value a query.

Each function takes rankings (ids, best first) and gold (the ids that should be found; a mapping to grades for nDCG), a query each, and
gives (queries,) values between 0 and 1, higher is better. Average them for the usual figure, or hand them to an interval or a paired
test as they are. A query without gold has no score: it is refused, not counted as 0.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError

Values = NDArray[np.float64]
Rankings = Sequence[Sequence[Hashable]]
Gold = Sequence[Collection[Hashable]]


def recall_at(rankings: Rankings, gold: Gold, k: int) -> Values:
    """The share of a query's gold among the first k. Where any one gold passage is enough, `hit_at` is the fairer question."""
    return np.array([len(_found(r[:k], g)) / len(set(g)) for r, g in _checked(rankings, gold, k)])


def hit_at(rankings: Rankings, gold: Gold, k: int) -> Values:
    """1 where at least one gold id is among the first k, else 0."""
    return np.array([float(bool(_found(r[:k], g))) for r, g in _checked(rankings, gold, k)])


def reciprocal_rank_at(rankings: Rankings, gold: Gold, k: int) -> Values:
    """1 / the rank of the first gold id among the first k, else 0; its mean is MRR@k."""
    found = []
    for ranking, wanted in _checked(rankings, gold, k):
        places = [rank for rank, name in enumerate(ranking[:k], 1) if name in wanted]
        found.append(1 / places[0] if places else 0.0)
    return np.array(found)


def ndcg_at(rankings: Rankings, gold: Sequence[Collection[Hashable] | Mapping[Hashable, float]], k: int) -> Values:
    """Discounted gain of the first k against the best possible: sum of grade / log2(1 + rank), divided by its greatest value.

    gold: ids, which all have the grade 1, or a mapping of ids to grades above 0. Gains are linear in the grade.
    Source: Järvelin & Kekäläinen 2002 (doi:10.1145/582415.582418), as trec_eval computes it.
    """
    found = []
    for ranking, wanted in _checked(rankings, gold, k):
        grades = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted, 1.0)
        if min(grades.values()) <= 0:
            raise UsageError(
                "grades of gold must be above 0", got=str(min(grades.values())), hint="leave those ids out"
            )
        gains = [grades.get(name, 0.0) for name in ranking[:k]]
        ideal = sorted(grades.values(), reverse=True)[:k]
        found.append(_discounted(gains) / _discounted(ideal))
    return np.array(found)


def average_precision_at(rankings: Rankings, gold: Gold, k: int) -> Values:
    """The mean over a query's gold of the precision at each one's rank, 0 for one that is not among the first k; its mean is MAP@k.

    Source: trec_eval's `map_cut`: the divisor is all of a query's gold, also where that is more than k.
    """
    found = []
    for ranking, wanted in _checked(rankings, gold, k):
        places = [rank for rank, name in enumerate(ranking[:k], 1) if name in wanted]
        found.append(sum(hits / rank for hits, rank in enumerate(places, 1)) / len(set(wanted)))
    return np.array(found)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / float(np.log2(1 + rank)) for rank, gain in enumerate(gains, 1))


def _found(ranking: Sequence[Hashable], gold: Collection[Hashable]) -> set[Hashable]:
    return set(ranking) & set(gold)


def _checked(rankings: Rankings, gold: Gold, k: int) -> list[tuple[Sequence[Hashable], Collection[Hashable]]]:
    if len(rankings) != len(gold):
        raise UsageError("rankings and gold must come in pairs", got=f"{len(rankings)} rankings, {len(gold)} gold")
    if k < 1:
        raise UsageError("k counts the first places", got=str(k), allowed="1 or more")
    for i, (ranking, wanted) in enumerate(zip(rankings, gold, strict=True)):
        if not wanted:
            raise UsageError(f"query {i} has no gold", hint="leave it out, and say how many were")
        if len(set(ranking)) < len(ranking):
            twice = next(a for a, b in pairwise(sorted(map(str, ranking))) if a == b)
            raise UsageError(f"the ranking of query {i} names the same id twice", got=twice)
    return list(zip(rankings, gold, strict=True))
