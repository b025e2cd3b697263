"""Span precision: which share of the answered spans is exactly right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._spans import share_of, span_counts, strict

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SpanPrecision:
    """Spans with exact edges and type as a share of all that were answered; equal to seqeval's `precision_score`.

    Read it beside `span_recall`: alone it is highest for a model that answers one sure span.
    """

    name = "span_precision"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "spans"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of spans, row by row."""
        return share_of(span_counts(predictions, strict), 2)
