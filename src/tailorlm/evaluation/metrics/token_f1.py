"""Token F1: the words that answer and gold text share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._text import mean_of_best, shared_words, worded

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class TokenF1:
    """The mean over rows of the F1 of words shared with the gold text, the best one where there are several.

    As the official script of SQuAD 2.0 counts it (Rajpurkar et al. 2018, arXiv:1806.03822); that of 1.1 differs where a text has no word
    at all: two such texts are equal here and score 0 there. It knows no order of words and no synonyms. A row of which no answer came counts 0.
    """

    name = "token_f1"
    version = 2
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The best F1 of each row."""
        return mean_of_best(predictions, shared_words, worded)
