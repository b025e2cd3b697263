"""MinHash signatures: a short row of numbers per text, equal in about as many places as the texts are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError
from tailorlm.data.near.shingles import Hashed, Shingles, Unit

Signed = NDArray[np.uint32]

# Numbers that a processor's second-level cache holds twice: beyond, the minima wait for memory.
_AT_ONCE = 48_000
EMPTY = np.uint32(0xFFFFFFFF)
"""Every place of the signature of a text without shingles."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """MinHash over the shingles of a text (Broder 1997): place p holds the least of its shingles under permutation p.

    Two texts agree in a place with a chance of their Jaccard similarity J, so the share of equal places estimates J with
    a standard error of sqrt(J (1 - J) / permutations), 0.035 at J = 0.8 and 128. A text's signature depends on the text
    and these settings alone. shingle: units a shingle; unit: characters or words (see `Shingles`).
    Raises UsageError for settings out of bounds.
    Choose it to build an index of your own; `find_near` does the whole of the work.

    >>> Signatures(permutations=16).of(["one row", "One  row!"]).shape
    (2, 16)
    """

    permutations: int = 128
    shingle: int = 3
    unit: Unit = "characters"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.permutations <= 4096:
            raise UsageError(
                "the number of permutations is out of bounds", got=str(self.permutations), allowed="1 to 4096"
            )
        if self.seed < 0:
            raise UsageError("the seed is out of bounds", got=str(self.seed), allowed="0 or more")
        Shingles(self.shingle, self.unit)

    def of(self, texts: Sequence[str]) -> Signed:
        """The signatures of the texts, (n, permutations) uint32."""
        return self.of_hashed(Shingles(self.shingle, self.unit).hashes(texts))

    def of_hashed(self, hashed: Hashed) -> Signed:
        """The signatures of texts whose shingles are hashed already."""
        factors = _factors(self.permutations, self.seed)
        found = np.full((hashed.counts.size, self.permutations), EMPTY, np.uint32)
        high = (hashed.hashes >> np.uint64(32)).astype(np.uint32)
        for rows, longest in _groups(hashed.counts):
            # Texts of about one length side by side; the shorter ones repeat their last shingle, which moves no minimum.
            steps = np.arange(longest)
            lasts = hashed.counts[rows] - 1
            if rows.size >= 32:
                table = high[hashed.starts[rows] + np.minimum(steps[:, None], lasts)]
                found[rows] = _minima(table, factors, 0).T
            else:
                table = high[hashed.starts[rows][:, None] + np.minimum(steps, lasts[:, None])]
                found[rows] = _minima(table, factors, 1).T
        return found


def _minima(table: Signed, factors: Signed, axis: int) -> Signed:
    """Multiplying by an odd number permutes the numbers below 2**32; the hashes themselves are random already."""
    minima = np.empty((factors.size, table.shape[1 - axis]), np.uint32)
    product = np.empty_like(table)
    for place, factor in enumerate(factors):
        np.multiply(table, factor, out=product)
        np.minimum.reduce(product, axis=axis, out=minima[place])
    return minima


def _groups(counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Texts (with any shingle at all) by length, as many at once as the cache takes; with the longest of each group."""
    order = np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    at = 0
    while at < order.size:
        longest = int(counts[order[at]])
        size = max(1, _AT_ONCE // longest)
        yield order[at : at + size], longest
        at += size


@cache
def _factors(permutations: int, seed: int) -> Signed:
    drawn = np.random.default_rng([seed, 0x4E454152]).integers(0, 1 << 31, permutations, np.uint32)
    return drawn << np.uint32(1) | np.uint32(1)
