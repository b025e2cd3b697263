"""Many texts of one cluster: which of them are near one, without a comparison with all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.near.shingles import Shingles
from tailorlm.data.near.verify import sets_of

Places = NDArray[np.int64]


class Crowd:
    """Texts by their shingles. low: the least similarity that is ever asked for, above 0.

    Rows made from a template ("order 4711 was sent") fall into one cluster of any size, of which most rows stay, and comparing each that stays with
    all that are left takes quadratic time. Two sets with a Jaccard similarity of t share at least t of either, so that a text near another has one
    of its rarest shingles (all but t of them, and one more); only the texts that have one of these are compared
    (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). The answer is that of comparing all.
    Memory: 8 bytes a shingle, 24 while it is made. Choose `verify.jaccard` for pairs that are known.
    """

    def __init__(self, texts: Sequence[str], shingles: Shingles, low: float):
        hashes, self._sizes = sets_of(texts, shingles)
        self._begins = np.cumsum(self._sizes) - self._sizes
        self._low = low
        rows = np.repeat(np.arange(len(texts), dtype=np.int32), self._sizes)
        order = np.argsort(hashes, kind="stable")
        self._rows = rows[order]
        values, self._counts = np.unique(hashes[order], return_counts=True)
        self._firsts = np.cumsum(self._counts) - self._counts
        self._codes = np.empty(hashes.size, np.int32)
        self._codes[order] = np.repeat(np.arange(values.size, dtype=np.int32), self._counts)
        self._own = np.zeros(values.size, bool)

    def empty(self, place: int) -> bool:
        """Whether a text has no shingle."""
        return not self._sizes[place]

    def near(self, place: int, among: NDArray[np.bool_]) -> tuple[Places, NDArray[np.float64]]:
        """The texts near the one at `place` and how alike they are: all of similarity `low` or more, and some below.

        among: (texts,), who is asked for.
        """
        own = self._codes[self._begins[place] : self._begins[place] + self._sizes[place]]
        rare = own[np.argsort(self._counts[own], kind="stable")]
        rare = rare[: own.size - math.ceil(self._low * own.size - 1e-9) + 1]
        met = [self._rows[self._firsts[code] : self._firsts[code] + self._counts[code]] for code in rare.tolist()]
        found = np.unique(np.concatenate(met)).astype(np.int64) if met else np.zeros(0, np.int64)
        found = found[among[found]]
        if not found.size:
            return found, np.zeros(0)
        sizes = self._sizes[found]
        starts = np.cumsum(sizes) - sizes
        flat = self._codes[np.arange(int(sizes.sum())) + np.repeat(self._begins[found] - starts, sizes)]
        self._own[own] = True
        shared = np.add.reduceat(self._own[flat], starts, dtype=np.int64)
        self._own[own] = False
        return found, shared / (sizes + own.size - shared)
