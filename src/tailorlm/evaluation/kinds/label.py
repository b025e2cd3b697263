"""`label`: one label of a fixed set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tailorlm.core.marks import NONE_OF_THESE

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Label:
    """One label of a fixed set, a string: intents, topics, sentiment."""

    name = "label"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """A label is one of the label set."""
        return None if value in labels else "not in the label set"

    def right(self, gold: Any, predicted: Any) -> bool:
        """The same label."""
        return bool(gold == predicted)

    def shown(self, value: Any) -> str:
        """The label itself."""
        return str(value)

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """`per_label` (precision, recall, F1), `confusion` (labels, counts), `most_confused` pairs; `calibration` and `coverage` where there
        are scores; `levels` where labels are paths."""
        from tailorlm.evaluation import tables
        from tailorlm.evaluation.paths import levels
        from tailorlm.evaluation.sureness import best_answers, coverage, reliability

        more: dict[str, Any] = {}
        if predictions.scores is not None:
            more["calibration"] = reliability(*best_answers(predictions), what="answers")
            more["coverage"] = coverage(predictions)
        by_level = levels(predictions)
        more |= {"levels": by_level} if by_level else {}
        found = tables.of_counts(predictions.labels, tables.confusion(predictions), limit=None)
        # Holding an answer back is no confusion, and nothing was to be found under its name.
        found["most_confused"] = [pair for pair in found["most_confused"] if pair["predicted"] != NONE_OF_THESE][:15]
        found["per_label"] = [row for row in found["per_label"] if row["n"] or row["label"] != NONE_OF_THESE]
        return more | found

    def cases(self) -> Iterator[Predictions]:
        """One row, one label, absent labels, many labels, all right, all wrong."""
        rng = np.random.default_rng(0)
        yield _predictions(np.array([1]), np.array([1]), 2)
        yield _predictions(np.array([0]), np.array([1]), 2)
        yield _predictions(np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 4)
        yield _predictions(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), 3)
        for n, n_labels in ((12, 3), (40, 2), (60, 30), (200, 7)):
            gold = rng.integers(0, n_labels, n)
            answers = np.where(rng.random(n) < 0.6, gold, rng.integers(0, n_labels, n))
            yield _predictions(gold, answers, n_labels)


def _predictions(gold: np.ndarray, predicted: np.ndarray, n_labels: int) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    labels = tuple(f"label {i:02d}" for i in range(n_labels))
    ids = tuple(f"row {i}" for i in range(len(gold)))
    return Predictions(ids, tuple(labels[i] for i in gold), tuple(labels[i] for i in predicted), labels)
