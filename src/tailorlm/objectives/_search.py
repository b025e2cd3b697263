"""What objectives over queries and passages share: which wrong passages stand beside a right one, and how hard ones are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting

# Queries whose likeness to all passages is held at once.
PORTION = 256


class NegativesSettings(config.Settings):
    """Which passages that do not answer a query is told from, besides those of the other queries of its step."""

    negatives: int = setting(
        1,
        ge=0,
        le=100,
        help="of its own wrong passages, given or mined, how many join it in each pass",
        unit="passages",
    )
    mined: int = setting(
        0,
        ge=0,
        le=1000,
        help="wrong passages that look right to the encoder as the stage begins, found for each query",
        unit="passages",
    )
    mined_below: float = setting(
        0.95,
        ge=-1,
        le=2,
        help="mined ones stay below this share of the right one's cosine: nearer ones often answer unmarked",
    )


def hard_negatives(
    queries: np.ndarray, passages: np.ndarray, right: Sequence[Sequence[int]], count: int, below: float
) -> tuple[list[list[int]], int]:
    """For each query the `count` likest passages that are not its right ones, and how many were passed over as too like.

    queries, passages: (n, width) and (m, width) of length one. right: places of a query's right passages. A passage is passed over where its
    cosine is not below `below` times that of the query's likest right passage (of a negative cosine c, below c - (1 - below) |c|). Equal ones keep
    their order. Source: Moreira et al. 2024 (arXiv:2407.15831), TopK-PercPos.
    """
    found: list[list[int]] = []
    passed = 0
    for start in range(0, len(queries), PORTION):
        likeness = np.round(queries[start : start + PORTION] @ passages.T, 6)
        for i, row in enumerate(likeness):
            own = list(right[start + i])
            top = float(row[own].max())
            row[own] = -np.inf
            near = row >= top - (1 - below) * abs(top)
            passed += int(np.count_nonzero(near))
            row[near] = -np.inf
            best = np.argsort(-row, kind="stable")[:count]
            found.append([int(place) for place in best if np.isfinite(row[place])])
    return found, passed
