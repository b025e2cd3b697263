"""From which similarity on two texts are near copies: one number, or by how long they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Bar:
    """The least similarity of near copies by length: (m - spoilt) / (m + spoilt), not below `low` nor above `high`.

    m is the mean length of the two texts in characters. A light edit (a word changed, a greeting) spoils about the same
    number of shingles whatever the length, so a short copy is less alike than a long one: with ten spoilt ones the bar is 0.6 up
    to 40 characters, 0.71 at 60, 0.8 from 90 on. Measured in docs/studies/near_duplicates.md. Raises UsageError for bounds.
    Choose it for rows whose lengths differ; one number where every pair must meet the same.

    >>> [round(float(Bar().of(n, n)), 2) for n in (20, 60, 500)]
    [0.6, 0.71, 0.8]
    """

    low: float = 0.6
    high: float = 0.8
    spoilt: float = 10.0

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high <= 1 and self.spoilt >= 0):
            got = f"{self.low} to {self.high}"
            raise UsageError("the threshold is out of bounds", got=got, allowed="above 0, up to 1")

    def of(self, left: Any, right: Any) -> NDArray[np.float64]:
        """The bar of pairs of texts with these lengths (numbers or arrays of one shape)."""
        mean = (np.asarray(left, np.float64) + np.asarray(right, np.float64)) / 2
        bars: NDArray[np.float64] = np.clip((mean - self.spoilt) / (mean + self.spoilt + 1e-9), self.low, self.high)
        return bars


def bar_of(threshold: float | Bar) -> Bar:
    """A threshold as a bar: one number is the same at every length."""
    if isinstance(threshold, Bar):
        return threshold
    if not 0 < threshold <= 1:
        raise UsageError("the threshold is out of bounds", got=str(threshold), allowed="above 0, up to 1")
    return Bar(threshold, threshold)
