"""`ranking`: passages in the order in which a search found them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

LONGEST = 300
PLACES = ((1, 1), (2, 5), (6, 10), (11, 100))
"""Places of the first right passage that are counted together."""


class Ranking:
    """Names of passages, each once, the best first; empty where nothing was found. Gold is the names of the right ones, in any order.

    It is right where a right passage comes first.
    """

    name = "ranking"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """A list of strings, none of them twice."""
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            return "not a list of names"
        return "a list with a name twice" if len(set(value)) != len(value) else None

    def right(self, gold: Any, predicted: Any) -> bool:
        """A right one is the first."""
        return bool(predicted) and predicted[0] in gold

    def shown(self, value: Any) -> str:
        """The first of them on one line, cut where it is long."""
        text = " ".join(str(value[0]).split()) if value else "(nothing found)"
        return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """`found_at`: how many rows have their first right passage at which places; the last line those where none was found."""
        ranks = [first_right(*pair) for pair in zip(predictions.gold, predictions.predicted, strict=True)]
        lines = [
            {"from": low, "to": high, "n": sum(rank is not None and low <= rank <= high for rank in ranks)}
            for low, high in PLACES
        ]
        beyond = {"from": None, "to": None, "n": len(ranks) - sum(int(str(line["n"])) for line in lines)}
        return {"found_at": [*lines, beyond]}

    def cases(self) -> Iterator[Predictions]:
        """One row, all right, all wrong, nothing found, several right ones, right ones at any place."""
        yield _predictions([["a"]], [["a", "b"]])
        yield _predictions([["a"], ["b"]], [["c", "d"], []])
        yield _predictions([["a"], ["b", "c"], ["d"]], [["a"], ["c", "b", "x"], ["d", "a"]])
        rng = np.random.default_rng(0)
        names = [f"p{i:02d}" for i in range(30)]
        for rows in (8, 50):
            gold = [rng.choice(names, rng.integers(1, 4), replace=False).tolist() for _ in range(rows)]
            yield _predictions(gold, [rng.permutation(names)[: rng.integers(0, 30)].tolist() for _ in range(rows)])


def first_right(gold: Any, predicted: Any) -> int | None:
    """The place, from 1, of the first right one; None where there is none."""
    wanted = set(gold)
    return next((rank for rank, name in enumerate(predicted, 1) if name in wanted), None)


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    return Predictions(ids, tuple(gold), tuple(predicted), (), None, "ranking")
