"""Clusters of duplicate texts, held together by pairs whose similarity is known."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["exact", "normalised", "near", "semantic"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that are duplicates: indices from 0, `left` below `right`, and how alike they are.

    similarity: the true Jaccard similarity of the shingle sets ('near'), the cosine ('semantic'), 1.0 for rows that are
    equal to the letter ('exact') or equal when folded ('normalised').
    """

    left: int
    right: int
    similarity: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Cluster:
    """Rows that pairs hold together: indices (rising, two or more) and one pair fewer than rows, rising.

    Not every two rows of a cluster need be near each other: a chain of small edits holds together too. That is what a
    split must respect; `keep.choose` looks again before it gives a row up.
    """

    indices: tuple[int, ...]
    pairs: tuple[Pair, ...]


class Forest:
    """Which rows are in one cluster (union by the lowest row): 4 bytes a row."""

    def __init__(self, rows: int):
        self._parents = array("i", range(rows))
        self._view: NDArray[np.int32] = np.frombuffer(self._parents, np.int32) if rows else np.zeros(0, np.int32)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lowest row of the cluster of each row."""
        found = self._view[rows]
        while True:
            above = self._view[found]
            if np.array_equal(above, found):
                return found.astype(np.int64)
            found = above

    def join(self, left: int, right: int) -> bool:
        """Put two clusters together; False when they are one already."""
        low, high = sorted((self._top(left), self._top(right)))
        self._parents[high] = low
        return low != high

    def together(self, left: int, right: int) -> bool:
        """Whether two rows are in one cluster."""
        return self._top(left) == self._top(right)

    def _top(self, row: int) -> int:
        parents = self._parents
        while (above := parents[row]) != row:
            parents[row] = row = parents[above]
        return row


def clusters_of(pairs: Iterable[Pair]) -> list[Cluster]:
    """The clusters that pairs make, by their first row. Of pairs that close a circle the later ones are left out."""
    listed = list(pairs)
    forest = Forest(1 + max((pair.right for pair in listed), default=-1))
    listed = [pair for pair in listed if forest.join(pair.left, pair.right)]
    listed.sort(key=lambda pair: (pair.left, pair.right))
    lefts = np.array([pair.left for pair in listed], np.int64)
    rows = np.union1d(lefts, np.array([pair.right for pair in listed], np.int64))
    members: dict[int, list[int]] = {}
    for top, row in zip(forest.of(rows).tolist(), rows.tolist(), strict=True):
        members.setdefault(top, []).append(row)
    held: dict[int, list[Pair]] = {top: [] for top in members}
    for top, pair in zip(forest.of(lefts).tolist(), listed, strict=True):
        held[top].append(pair)
    return [Cluster(tuple(members[top]), tuple(held[top])) for top in sorted(members)]


def across(clusters: Iterable[Cluster], sizes: Sequence[int]) -> list[Cluster]:
    """The clusters that reach over several lists, when the rows are those of lists of these sizes, one behind the other.

    Choose it for leakage: index train and test rows in one space and see which clusters have rows of both.

    >>> pair = Pair(1, 2, 1.0, "exact")
    >>> across([Cluster((1, 2), (pair,))], sizes=[2, 2]) == [Cluster((1, 2), (pair,))]
    True
    """
    borders = np.cumsum(np.asarray(sizes, np.int64))

    def reaches_over(cluster: Cluster) -> bool:
        sides = np.searchsorted(borders, cluster.indices, side="right")
        return bool((sides != sides[0]).any())

    return [cluster for cluster in clusters if reaches_over(cluster)]


def place(index: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Which of several lists, one behind the other, an index points into, and where in it."""
    for which, size in enumerate(sizes):
        if index < size:
            return which, index
        index -= size
    raise IndexError("the index lies behind the last list")
