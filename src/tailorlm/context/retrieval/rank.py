"""Rankings: the best of many scores with ties in a fixed order, and several rankings made one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Positions = NDArray[np.int64]


def best(scores: Scores, k: int) -> Positions:
    """Positions of the `k` highest scores of one list, highest first; of equal scores the earlier position comes first.

    scores: (n,). Fewer than k come back where n is smaller. Takes time in proportion to n, not n log n.
    """
    k = min(k, len(scores))
    if k <= 0:
        return np.zeros(0, np.int64)
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    found = np.flatnonzero(scores >= least)
    return found[np.argsort(-scores[found], kind="stable")][:k].astype(np.int64)


def reciprocal_rank(
    rankings: Sequence[Sequence[int]], *, weights: Sequence[float] | None = None, constant: float = 60.0
) -> list[tuple[int, float]]:
    """Several rankings of positions made one: (position, score) in order, score = sum of weight / (constant + rank).

    Ranks count from 1; what a ranking does not hold gets nothing from it. Equal scores are ordered by position. The scores of the
    rankings themselves do not count, so nothing has to be brought to one scale. constant: the larger, the less the first places
    stand out. Source: Cormack, Clarke & Büttcher 2009 (doi:10.1145/1571941.1572114), constant 60 as there.
    Choose it to join BM25 with vectors; where one of them is known to be much better, give it the greater weight.

    >>> [(position, round(score, 4)) for position, score in reciprocal_rank([[7, 5], [5, 9]])]
    [(5, 0.0325), (7, 0.0164), (9, 0.0161)]
    """
    total: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, position in enumerate(ranking, 1):
            total[int(position)] = total.get(int(position), 0.0) + weight / (constant + rank)
    # The order of the summands moves the last bit, and must not decide between equals.
    return sorted(total.items(), key=lambda found: (-round(found[1], 12), found[0]))


def varied(relevance: Scores, vectors: Scores, k: int, balance: float) -> Positions:
    """Places of `k` candidates in the order in which they are taken: relevant, and unlike those taken before (MMR).

    relevance: (n,), on the scale of cosines. vectors: (n, width), length one. balance: 1 looks at relevance alone, 0 at variety
    alone. The next one is that with the highest balance * relevance - (1 - balance) * highest cosine to those taken; of equal
    ones the first. Takes k * n * width. Source: Carbonell & Goldstein 1998 (doi:10.1145/290941.291025).
    Choose it where passages or examples repeat each other and room is short; it costs some relevance.
    """
    k = min(k, len(relevance))
    taken: list[int] = []
    nearest = np.full(len(relevance), -np.inf, np.float64)
    free = np.ones(len(relevance), bool)
    for _ in range(k):
        penalty = (1 - balance) * nearest if taken else 0.0
        value = np.where(free, np.round(balance * relevance.astype(np.float64) - penalty, 6), -np.inf)
        chosen = int(np.argmax(value))
        taken.append(chosen)
        free[chosen] = False
        nearest = np.maximum(nearest, vectors @ vectors[chosen])
    return np.array(taken, np.int64)
