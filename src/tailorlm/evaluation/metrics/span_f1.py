"""Span F1: precision and recall of whole spans, types and edges exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._spans import f1_of, span_counts, strict

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class SpanF1:
    """The harmonic mean of precision and recall over all spans together (micro), a span counting where edges and type are exact.

    Equal to seqeval's `f1_score` and conlleval's FB1 on tags that have been read as spans. Rows without any span weigh nothing. Choose it for
    names and slots; `span_overlap_f1` where edges are a matter of taste. Source: Tjong Kim Sang and De Meulder, CoNLL 2003.
    """

    name = "span_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "spans"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Counts of spans, row by row."""
        return f1_of(span_counts(predictions, strict))
