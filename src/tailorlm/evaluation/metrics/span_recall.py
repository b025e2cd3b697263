"""Span recall: which share of the gold spans was found exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._spans import share_of, span_counts, strict

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SpanRecall:
    """Spans with exact edges and type as a share of all gold spans; equal to seqeval's `recall_score`.

    Read it beside `span_precision`.
    """

    name = "span_recall"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "spans"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of spans, row by row."""
        return share_of(span_counts(predictions, strict), 1)
