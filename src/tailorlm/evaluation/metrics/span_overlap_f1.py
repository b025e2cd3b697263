"""Span overlap F1: spans of the right type that touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._spans import f1_of, overlapping, span_counts

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SpanOverlapF1:
    """As `span_f1`, but a span counts where one of the same type shares a character with it; each span is used once.

    Never below `span_f1`. The gap between the two is edges that are drawn otherwise. Source of the idea: SemEval 2013 task 9 (type matching).
    """

    name = "span_overlap_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "spans"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of spans, row by row."""
        return f1_of(span_counts(predictions, overlapping))
