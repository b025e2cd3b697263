"""`number`: an amount, a rating, a degree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

NO_NUMBER = "(no number)"
STEPS = 12
"""Different gold numbers up to which they are shown as steps of a scale."""


class Number:
    """A finite number. It is right where it rounds to the gold one at the places gold is written with: 3.7 for 4, 0.51 for 0.5.

    Predicted may be None: a model that writes has written no number. That is never right, and metrics take it for the number that lies
    farthest from the right one on the scale of those that are right somewhere (`Predictions.scale`).
    """

    name = "number"
    may_be_missing = True

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """A finite number, no truth value."""
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if fits else "not a finite number"

    def right(self, gold: Any, predicted: Any) -> bool:
        """Off by less than half a unit of gold's last place."""
        if predicted is None:
            return False
        written = Decimal(str(gold)).normalize().as_tuple().exponent
        places = max(0, -written) if isinstance(written, int) else 0
        return bool(abs(gold - predicted) < 0.5 * 10.0**-places)

    def shown(self, value: Any) -> str:
        """Four significant digits, whole numbers whole."""
        if value is None:
            return NO_NUMBER
        return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """Where gold has up to twelve different numbers: `per_label`, `confusion` and `most_confused` of the steps nearest to the answers;
        rows without a number are a column of their own."""
        from tailorlm.evaluation.tables import of_counts

        steps = sorted({float(value) for value in predictions.gold})
        if not 2 <= len(steps) <= STEPS:
            return {}
        borders = [(low + high) / 2 for low, high in pairwise(steps)]
        sides = (np.array(side, dtype=np.float64) for side in (predictions.gold, predictions.predicted))
        gold, said = (np.where(np.isnan(side), len(steps), np.searchsorted(borders, side)) for side in sides)
        names = [self.shown(step) for step in steps] + [NO_NUMBER] * (None in predictions.predicted)
        counts = np.bincount(gold * len(names) + said, minlength=len(names) ** 2).reshape(len(names), -1)
        return of_counts(names, counts)

    def cases(self) -> Iterator[Predictions]:
        """One row, all right, all wrong, ties on both sides, one answer for all, noise."""
        yield _predictions([3.0], [3.0])
        yield _predictions([1.0, 2.5, 4.0, -7.0], [1.0, 2.5, 4.0, -7.0])
        yield _predictions([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0])
        yield _predictions([1.0, 2.0, 3.0, 3.0], [2.0, 2.0, 2.0, 2.0])
        yield _predictions([1.0, 3.0, 5.0, 4.0], [1.0, None, 4.0, None])
        yield _predictions([2.0, 2.0], [None, None])
        rng = np.random.default_rng(0)
        for rows in (12, 60):
            gold = rng.integers(1, 6, rows).astype(float)
            yield _predictions(gold.tolist(), np.round(gold + rng.normal(size=rows), 1).tolist())


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    return Predictions(ids, tuple(gold), tuple(predicted), (), None, "number")
