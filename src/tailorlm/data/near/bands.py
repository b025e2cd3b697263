"""Locality-sensitive hashing: signatures cut into bands; texts that agree in a whole band are candidates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError
from tailorlm.data.near.shingles import Hashes, stirred

Pairs = NDArray[np.int64]
ClustersOf = Callable[[NDArray[np.int64]], NDArray[np.int64]]

_WHOLE = 256
_LEADERS = 64
_AT_ONCE = 1 << 17


class Bands(NamedTuple):
    """`number` bands of `rows` places each. A pair of similarity s is found with a chance of 1 - (1 - s^rows)^number."""

    number: int
    rows: int

    def chance(self, similarity: float) -> float:
        """How likely a pair of this similarity agrees in one band at least."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.number


def choose_bands(threshold: float, permutations: int, recall: float) -> Bands:
    """The bands with the most rows (so, the fewest false candidates) that find pairs at the threshold often enough.

    recall: the least chance of a pair that is just at the threshold; pairs above it are found more often.
    Raises UsageError when no division reaches it, which means more permutations.
    """
    for rows in range(permutations, 0, -1):
        bands = Bands(permutations // rows, rows)
        if bands.chance(threshold) >= recall:
            return bands
    least = math.ceil(math.log(1 - recall) / math.log(1 - threshold))
    raise UsageError(
        "so few permutations cannot find pairs of this similarity",
        got=f"{permutations} permutations, threshold {threshold}, recall {recall}",
        allowed=f"{least} permutations or more",
        hint="raise the permutations, or the threshold",
    )


def band_keys(signatures: NDArray[np.uint8], band: int, rows: int) -> Hashes:
    """What a text holds in one band, as one number: (n,) uint64. signatures: (n, permutations)."""
    own = signatures[:, band * rows : (band + 1) * rows]
    keys = np.zeros(own.shape[0], np.uint64)
    for at in range(0, rows, 8):
        wide = np.zeros((own.shape[0], 8), np.uint8)
        wide[:, : min(8, rows - at)] = own[:, at : at + 8]
        keys = stirred(keys + wide.view(np.uint64)[:, 0]) if at else wide.view(np.uint64)[:, 0].copy()
    return keys


class Buckets(NamedTuple):
    """The texts that agree in one band, in buckets of two or more.

    members: (m,) texts bucket by bucket, rising inside each; bucket b is `members[starts[b]:starts[b + 1]]`.
    """

    members: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def crowded(self) -> int:
        """Texts in buckets so large that `rest` does not compare each with each."""
        sizes = np.diff(self.starts)
        return int(sizes[sizes > _WHOLE].sum())

    def stars(self) -> Iterator[Pairs]:
        """Every member with the first of its bucket, (k, 2) at a time: enough where all of a bucket are copies."""
        firsts = np.repeat(self.members[self.starts[:-1]], np.diff(self.starts))
        other = firsts != self.members
        yield from _portions(firsts[other], self.members[other])

    def rest(self, clusters_of: ClustersOf) -> Iterator[Pairs]:
        """The other pairs of those buckets whose members are not all in one cluster yet, (k, 2) at a time.

        clusters_of: the cluster of each text; it may change from one portion to the next. Buckets of more than 256
        texts are not compared each with each: up to 64 of their texts, each with all that are in no cluster with it.
        """
        sizes = np.diff(self.starts)
        clusters = clusters_of(self.members)
        apart = clusters != np.repeat(clusters[self.starts[:-1]], sizes)
        if not apart.any():
            return
        open_ = np.flatnonzero(np.logical_or.reduceat(apart, self.starts[:-1]) & (sizes > 2))
        for size in np.unique(sizes[open_]).tolist():
            alike = open_[sizes[open_] == size]
            if size > _WHOLE:
                for bucket in alike.tolist():
                    yield from _led(self.members[self.starts[bucket] : self.starts[bucket + 1]], clusters_of)
                continue
            left, right = np.triu_indices(size - 1, 1)  # without the first, whose pairs are the star
            left, right = left + 1, right + 1
            step = max(1, _AT_ONCE // left.size)
            for at in range(0, alike.size, step):
                table = self.members[self.starts[alike[at : at + step]][:, None] + np.arange(size)]
                yield from _portions(table[:, left].ravel(), table[:, right].ravel())


def buckets(keys: Hashes) -> Buckets:
    """The texts (by their places in `keys`) whose keys are equal."""
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(keys.size, bool)
    shared[1:] |= same
    shared[:-1] |= same
    members, own = order[shared].astype(np.int64), ordered[shared]
    # A fast sort leaves equal keys in any order, a different one on every processor: put the shared ones right.
    members = members[np.lexsort((members, own))]
    first = np.ones(own.size + 1, bool)
    first[1:-1] = own[1:] != own[:-1]
    return Buckets(members, np.flatnonzero(first))


def _led(members: NDArray[np.int64], clusters_of: ClustersOf) -> Iterator[Pairs]:
    """One text after the other leads: compared with all that no leader has taken into its cluster."""
    left = members
    for _ in range(_LEADERS):
        clusters = clusters_of(left)
        left = left[clusters != clusters[0]]
        if left.size < 2:
            return
        yield from _portions(np.full(left.size - 1, left[0]), left[1:])


def _portions(left: NDArray[np.int64], right: NDArray[np.int64]) -> Iterator[Pairs]:
    for at in range(0, left.size, _AT_ONCE):
        yield np.stack((left[at : at + _AT_ONCE], right[at : at + _AT_ONCE]), axis=1)
