"""ROUGE-2: pairs of neighbouring words that answer and gold text share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._ngrams import shared_runs
from tailorlm.evaluation.metrics._text import mean_of_best

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class Rouge2:
    """The mean over rows of the F1 of pairs of neighbouring words shared with the gold text, the best one where there are several.

    Equal to rouge-score's `rouge2` (no stemming) on text in ASCII; other letters are letters here, and signs of scripts without spaces are words.
    A row without an answer counts 0. Source: Lin 2004 (ROUGE: a package for automatic evaluation of summaries). Choose it for summaries;
    `rouge_l` where order matters.
    """

    name = "rouge_2"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    own_kind_only = True  # a quoted word has no runs, and a right "no answer" no words
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The best F1 of each row."""
        return mean_of_best(predictions, partial(shared_runs, n=2))
