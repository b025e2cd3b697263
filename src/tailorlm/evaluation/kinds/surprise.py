"""`surprise`: how unexpected a text was to a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

GUESSING = 8.0
"""Bits a byte of somebody who knows nothing: each of 256 bytes as likely as the other."""


class Surprise:
    """What a text cost a model: [nats, tokens, bytes] that were scored. There is no gold answer; it is null."""

    name = "surprise"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """Three finite numbers, none below 0 (nats may be, by rounding); null as gold."""
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 3:
            return "not a list of nats, tokens and bytes"
        fits = all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in value)
        return None if fits and value[1] >= 0 and value[2] >= 0 else "not three finite numbers"

    def right(self, gold: Any, predicted: Any) -> bool:
        """Better than guessing: fewer than 8 bits a byte."""
        return predicted is not None and bits(predicted) < GUESSING

    def shown(self, value: Any) -> str:
        """`1.92 bits a byte (120 tokens)`."""
        if value is None:
            return "(none)"
        return f"{bits(value):.2f} bits a byte ({value[1]:,} tokens)" if value[2] else "nothing to score"

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """None."""
        return {}

    def cases(self) -> Iterator[Predictions]:
        """One text, equal ones, long and short, one of no token, all better than guessing, all worse."""
        yield _predictions([[10.0, 5, 20]])
        yield _predictions([[1200.0, 40, 60], [900.0, 30, 50]])
        yield _predictions([[3.5, 2, 9]] * 6)
        yield _predictions([[3.5, 2, 9], [0.0, 0, 0], [4000.0, 1000, 4200], [1.0, 1, 1]] * 3)


def bits(value: Any) -> float:
    """Bits a byte of one answer; 0 where nothing was scored."""
    return float(value[0]) / math.log(2) / value[2] if value[2] else 0.0


def _predictions(found: list[list[float]]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(found)))
    return Predictions(ids, (None,) * len(found), tuple(found), (), None, "surprise")
