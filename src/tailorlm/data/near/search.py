"""From sketches to pairs: equal rows by their hashes, near ones by bands, signatures and, last, their true similarity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.near.bands import Bands, Pairs, band_keys, buckets
from tailorlm.data.near.bar import Bar
from tailorlm.data.near.clusters import Forest, Pair
from tailorlm.data.near.shingles import Hashes, Shingles
from tailorlm.data.near.sketches import in_order
from tailorlm.data.near.verify import Fetch, fetched, jaccard, portions

_COMPARED = 1 << 14
_DEVIATIONS = 3.0


def equal_rows(exact: Hashes, folded: Hashes) -> tuple[NDArray[np.int64], list[Pair]]:
    """The first row of every group of rows that are equal when folded (rising), and pairs that hold the groups together.

    A row is paired with the first row that equals it to the letter, if there is one, else with the first of its group.
    """
    order = np.argsort(folded, kind="stable")
    ordered = folded[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if order.size else order
    ends = np.append(starts[1:], order.size)
    pairs = []
    for group in np.flatnonzero(ends - starts > 1).tolist():
        rows = order[starts[group] : ends[group]]
        seen: dict[int, int] = {}
        for row, own in zip(rows.tolist(), exact[rows].tolist(), strict=True):
            if (same := seen.setdefault(own, row)) != row:
                pairs.append(Pair(same, row, 1.0, "exact"))
            elif len(seen) > 1:
                pairs.append(Pair(int(rows[0]), row, 1.0, "normalised"))
    return np.sort(order[starts]), pairs


class Search:
    """The near pairs among rows that are different when folded.

    signed: (n, permutations) uint8. lengths: (n,) characters. rows: the rows to look at, rising. Only pairs that put two
    clusters together are kept, so their number stays below that of the rows. After `run`, `crowded` is the number
    of rows that stood in a bucket too large to compare each with each, at its largest.
    """

    def __init__(self, signed: NDArray[np.uint8], lengths: NDArray[np.uint32], rows: NDArray[np.int64], bands: Bands):
        self.signed, self.lengths, self.bands = signed, lengths, bands
        # A text without a single shingle has the signature of all others without one, and is like none of them.
        self.rows = rows[(signed[rows] != 0xFF).any(axis=1)] if (signed[rows, 0] == 0xFF).any() else rows
        self.crowded = 0
        self._whole = np.zeros(bands.number, bool)  # bands in which every bucket was compared each with each

    def run(self, fetch: Fetch, shingles: Shingles, bar: Bar, workers: int) -> list[Pair]:
        """The pairs in the order in which they were found, which is the same on every machine."""
        forest, found = Forest(self.rows.size), []
        lengths = self.lengths[self.rows]

        def job(asked: tuple[Pairs, NDArray[np.int64], list[str]]) -> tuple[Pairs, NDArray[np.float64]]:
            pairs, rows, texts = asked
            return pairs, jaccard(texts, np.searchsorted(rows, pairs), shingles)

        for band in range(self.bands.number):
            for portion in self._band(band, forest):
                asked = self._asked(self._likely(portion, band, bar, forest), forest, fetch)
                for pairs, similar in in_order(job, asked, workers):
                    least = bar.of(lengths[pairs[:, 0]], lengths[pairs[:, 1]])
                    for at in np.flatnonzero(similar >= least).tolist():
                        left, right = pairs[at].tolist()
                        if forest.join(left, right):
                            found.append((left, right, float(similar[at])))
        return [Pair(int(self.rows[left]), int(self.rows[right]), similar, "near") for left, right, similar in found]

    def _band(self, band: int, forest: Forest) -> Iterator[Pairs]:
        met = buckets(band_keys(self.signed, band, self.bands.rows)[self.rows])
        self.crowded = max(self.crowded, met.crowded)
        yield from met.stars()
        yield from met.rest(forest.of)
        self._whole[band] = not met.crowded

    def _likely(self, pairs: Pairs, band: int, bar: Bar, forest: Forest) -> Pairs:
        """The pairs in two clusters, met in no band before, whose signatures agree about as often as they should."""
        pairs = pairs[forest.of(pairs[:, 0]) != forest.of(pairs[:, 1])]
        rows = self.bands.rows
        floors = self._floors(bar.of(*(self.lengths[self.rows[side]] for side in pairs.T)))
        kept = np.zeros(len(pairs), bool)
        for at in range(0, len(pairs), _COMPARED):
            part = pairs[at : at + _COMPARED]
            same = self.signed[self.rows[part[:, 0]]] == self.signed[self.rows[part[:, 1]]]
            kept[at : at + _COMPARED] = likely = np.count_nonzero(same, axis=1) >= floors[at : at + _COMPARED]
            before = same[likely][:, : band * rows].reshape(int(likely.sum()), band, rows).all(axis=2)
            kept[at : at + _COMPARED][likely] = ~(before & self._whole[:band]).any(axis=1)
        return pairs[kept]

    def _asked(
        self, pairs: Pairs, forest: Forest, fetch: Fetch
    ) -> Iterator[tuple[Pairs, NDArray[np.int64], list[str]]]:
        """The pairs with their texts, a portion at a time, less those that a portion before has put in one cluster."""
        for part in portions(pairs, self.lengths[self.rows]):
            part = part[forest.of(part[:, 0]) != forest.of(part[:, 1])]
            if len(part):
                rows = np.unique(part)
                yield part, rows, list(fetched(fetch, self.rows[rows]))

    def _floors(self, least: NDArray[np.float64]) -> NDArray[np.float64]:
        """The least numbers of equal places: three standard errors below what these similarities promise."""
        size = int(self.signed.shape[1])
        share = least + (1 - least) / 256
        floors: NDArray[np.float64] = size * share - _DEVIATIONS * np.sqrt(size * share * (1 - share))
        return floors
