"""What a metric is, and the array types of this room."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]


@runtime_checkable
class Metric(Protocol):
    """A number computed from gold and predicted labels, quick enough to be computed on thousands of resamples.

    `name` is what a user types and equals the registered name. `version` goes up when the same predictions would score
    another number. `unit` is "fraction" for metrics in [0, 1], whose differences are read in points (hundredths); any
    other text is shown as it stands. `averages_over` says whether every row ("rows") or every label ("labels") has the
    same weight; intervals use it where resampling has nothing to say (see `intervals.interval`).

    The value may depend on the rows only as a set: never on their order, on which code stands for which label, or on
    codes that do not occur. `contract.check_metric(name)` holds a metric to all of this.
    """

    name: str
    version: int
    higher_is_better: bool
    unit: str
    averages_over: Literal["rows", "labels"]

    def score(self, gold: IntArray, predicted: IntArray, n_labels: int) -> float:
        """The value on `gold` and `predicted`, both (n,) codes below `n_labels`; zero rows are a TailorError."""

    def resampled(self, gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray) -> FloatArray:
        """The value on each resample, (B,): row b of `index`, (B, n), names the rows of resample b."""
