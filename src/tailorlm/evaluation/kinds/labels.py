"""`labels`: any number of labels of a fixed set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Labels:
    """A list of labels of a fixed set, each once, in any order; an empty list where none applies."""

    name = "labels"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """A list of labels of the label set, none of them twice."""
        if not isinstance(value, list | tuple) or not all(isinstance(label, str) for label in value):
            return "not a list of labels"
        if len(set(value)) != len(value):
            return "a list with a label twice"
        return None if set(value) <= set(labels) else "not all in the label set"

    def right(self, gold: Any, predicted: Any) -> bool:
        """The same labels, and no other."""
        return set(gold) == set(predicted)

    def shown(self, value: Any) -> str:
        """`joy, pride`, or a dash."""
        return ", ".join(" ".join(label.split()) for label in value) or "–"

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """`per_label`: precision, recall and F1 of each label that gold or an answer has; `calibration` of single decisions, where there are
        scores."""
        from tailorlm.evaluation.metrics._labels import label_counts
        from tailorlm.evaluation.sureness import reliability, single_decisions
        from tailorlm.evaluation.tables import label_score

        names, counts = label_counts(predictions)
        decisions = single_decisions(predictions)
        more = {} if decisions is None else {"calibration": reliability(*decisions, what="decisions on single labels")}
        return more | {
            "per_label": [
                asdict(label_score(name, *map(int, of))) for name, of in zip(names, counts.sum(axis=0).T, strict=True)
            ]
        }

    def cases(self) -> Iterator[Predictions]:
        """One row, rows without labels, all right, all wrong, some labels too many and some too few."""
        yield _predictions([["A", "B"]], [["B", "A"]])
        yield _predictions([["A"]], [["B"]])
        yield _predictions([["A"], [], ["B", "C"]], [["A"], [], ["B", "C"]])
        yield _predictions([["A"], ["B"], []], [[], ["C"], ["A"]])
        rng = np.random.default_rng(0)
        for rows in (10, 60):
            gold = [[label for label in "ABCDE" if rng.random() < 0.3] for _ in range(rows)]
            yield _predictions(
                gold, [[label for label in "ABCDE" if (label in some) != (rng.random() < 0.2)] for some in gold]
            )


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    return Predictions(ids, tuple(gold), tuple(predicted), ("A", "B", "C", "D", "E"), None, "labels")
