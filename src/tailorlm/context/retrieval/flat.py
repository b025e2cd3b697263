"""Exact search over vectors: every vector is compared with the query, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.context.retrieval.rank import Scores, best

BLOCK = 16_384
"""Vectors compared at once: 25 MB of them at width 384."""
QUERIES = 256
DIGITS = 6
"""Cosines are compared at so many digits: the same vector in another block of a product may differ in the last bit."""


class Flat:
    """Vectors that are found by their cosine with a query, exactly.

    vectors: (n, width), of length one, float32 or float16, in memory or memory-mapped; they are not copied. Half precision takes
    half the room and is turned into float32 block by block. Work space is under 60 MB whatever n is. Time grows with n: 100,000
    vectors of width 384 take a few milliseconds a query on one core; from about a million on an approximate index
    (`context.retrieval.approximate`) is worth its misses.
    """

    def __init__(self, vectors: NDArray[Any]):
        self.vectors = vectors

    def search(self, queries: Scores, k: int) -> list[list[tuple[int, float]]]:
        """For each query, (m, width) of length one, the `k` best as (position, cosine), best first, ties by position."""
        found: list[list[tuple[int, float]]] = []
        for start in range(0, len(queries), QUERIES):
            found += self._some(np.asarray(queries[start : start + QUERIES], np.float32), k)
        return found

    def _some(self, queries: Scores, k: int) -> list[list[tuple[int, float]]]:
        positions = [np.zeros(0, np.int64) for _ in queries]
        scores = [np.zeros(0, np.float32) for _ in queries]
        for start in range(0, len(self.vectors), BLOCK):
            block = np.asarray(self.vectors[start : start + BLOCK], np.float32)
            cosines = np.round(queries @ block.T, DIGITS)
            for i, row in enumerate(cosines):
                top = best(row, k)
                # Positions rise from block to block, so the order of equals is kept.
                merged = np.concatenate([scores[i], row[top]])
                places = np.concatenate([positions[i], top + start])
                kept = best(merged, k)
                scores[i], positions[i] = merged[kept], places[kept]
        return [
            [(int(p), float(s)) for p, s in zip(*pair, strict=True)] for pair in zip(positions, scores, strict=True)
        ]
