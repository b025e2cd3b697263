"""What a metric is, what it makes of predictions, and the array types of this room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]

BLOCK = 1 << 18
"""How many looked-up rows one block of resamples may hold (2 MB of codes): bounds the memory, and fits a cache."""


class Evidence(Protocol):
    """What n rows say to one metric, in a form that is quick to score thousands of times."""

    def score(self) -> float:
        """The value on all rows."""

    def resampled(self, index: IntArray) -> FloatArray:
        """The value on each resample, (B,): row b of `index`, (B, any), names the rows of resample b."""

    def left_out(self, rows: IntArray) -> FloatArray:
        """The value on all rows but one, for each of `rows`, (len(rows),). Asked for with two rows or more."""


@runtime_checkable
class Metric(Protocol):
    """A number computed from gold and predicted answers, quick enough to be computed on thousands of resamples.

    `name` is what a user types and equals the registered name. `version` goes up when the same predictions would score
    another number. `reads` is the kind of answers it is made for (`evaluation/kinds`). `unit` is "fraction" for metrics in [0, 1],
    whose differences are read in points (hundredths); any other text is shown as it stands. `averages_over` says what has the same
    weight: every row, which is right or wrong ("rows"), every label ("labels"), or neither ("parts": graded rows, counts
    of spans or tokens); intervals use it where resampling has nothing to say (see `intervals.interval`). A metric that looks at scores, and
    not at answers alone, also has `reads_scores = True`.

    The value may depend on the rows only as a set, never on their order. `contract.check_metric(name)` holds a metric to all of this.
    """

    name: str
    version: int
    higher_is_better: bool
    unit: str
    reads: str
    averages_over: Literal["rows", "labels", "parts"]

    def evidence(self, predictions: Predictions) -> Evidence:
        """What these predictions say to this metric; the kind of their answers is `reads`."""


class LabelMetric:
    """The common manners of metrics over one label a row: they see codes, and never which code stands for which label.

    A subclass has `score` and `resampled` over gold and predicted codes; neither may depend on codes that do not occur.
    """

    reads: ClassVar[str] = "label"

    def score(self, gold: IntArray, predicted: IntArray, n_labels: int) -> float:
        """The value on `gold` and `predicted`, both (n,) codes below `n_labels`; zero rows are a TailorError."""
        raise TailorError(f"{type(self).__name__} does not say how it scores")

    def resampled(self, gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray) -> FloatArray:
        """The value on each resample, (B,): row b of `index`, (B, n), names the rows of resample b."""
        raise TailorError(f"{type(self).__name__} does not say how it scores resamples")

    def evidence(self, predictions: Predictions) -> Evidence:
        """The codes of gold and predicted labels."""
        return LabelEvidence(self, *predictions.codes(), len(predictions.labels))


class LabelEvidence:
    """Evidence of a metric over label codes. gold, predicted: (n,) codes below `n_labels`."""

    def __init__(self, metric: LabelMetric, gold: IntArray, predicted: IntArray, n_labels: int):
        self.metric, self.gold, self.predicted, self.n_labels = metric, gold, predicted, n_labels

    def score(self) -> float:
        """The value on all rows."""
        return self.metric.score(self.gold, self.predicted, self.n_labels)

    def resampled(self, index: IntArray) -> FloatArray:
        """The value on each resample, (B,)."""
        return self.metric.resampled(self.gold, self.predicted, self.n_labels, index)

    def left_out(self, rows: IntArray) -> FloatArray:
        """The value with each of these rows left out. Rows of equal gold and predicted label give the same value."""
        n = len(self.gold)
        kinds, first, place = np.unique(
            self.gold[rows] * self.n_labels + self.predicted[rows], return_index=True, return_inverse=True
        )
        values, everyone = np.empty(len(kinds)), np.arange(n - 1)
        step = max(1, (1 << 20) // n)
        for start in range(0, len(kinds), step):
            out = rows[first[start : start + step]][:, None]
            values[start : start + step] = self.resampled(everyone + (everyone >= out))
        return values[place]


class Sums:
    """Evidence that adds up: each row brings `parts`, (n, k) numbers, and `value` makes scores, (B,), of their sums, (B, k).

    Covers means (parts: value and 1), F1 over counts (hits, gold, predicted), perplexity (nats, tokens), corpus BLEU and the like.
    Zero rows are a TailorError.
    """

    def __init__(self, parts: FloatArray, value: Callable[[FloatArray], FloatArray]):
        self.parts, self.value = np.ascontiguousarray(parts, dtype=np.float64), value
        if not len(self.parts):
            raise TailorError("there are no rows to score", got="0 rows", allowed="at least one row")

    @classmethod
    def mean(cls, each: Sequence[float] | FloatArray, of_mean: Callable[[FloatArray], FloatArray] = np.asarray) -> Self:
        """Evidence whose value is `of_mean` of the mean of one number a row, (n,)."""
        numbers = np.asarray(each, dtype=np.float64)
        return cls(np.stack([numbers, np.ones_like(numbers)], axis=1), lambda sums: of_mean(sums[:, 0] / sums[:, 1]))

    def score(self) -> float:
        """The value on all rows."""
        return float(self.value(self.parts.sum(axis=0)[None])[0])

    def resampled(self, index: IntArray) -> FloatArray:
        """The value on each resample, (B,)."""
        sums = np.empty((len(index), self.parts.shape[1]))
        step = max(1, BLOCK // max(1, index.shape[1]))
        for column, part in enumerate(self.parts.T):
            whole = np.ascontiguousarray(part)
            for start in range(0, len(index), step):
                sums[start : start + step, column] = whole.take(index[start : start + step]).sum(axis=1)
        return self.value(sums)

    def left_out(self, rows: IntArray) -> FloatArray:
        """The value with each of these rows left out."""
        return self.value(self.parts.sum(axis=0)[None] - self.parts[rows])
