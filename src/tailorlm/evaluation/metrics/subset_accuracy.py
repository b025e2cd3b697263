"""Subset accuracy: rows whose labels are all right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence, Sums

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SubsetAccuracy:
    """The share of rows that got all of their labels and no other: the strictest score where a row may have several.

    Equal to scikit-learn's `accuracy_score` of label indicators. `samples_f1` counts rows that are half right.
    """

    name = "subset_accuracy"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "labels"
    averages_over: Literal["rows", "labels", "parts"] = "rows"

    def evidence(self, predictions: Predictions) -> Evidence:
        """One for each row that is right."""
        return Sums.mean([set(gold) == set(answer) for gold, answer in zip(predictions.gold, predictions.predicted)])
