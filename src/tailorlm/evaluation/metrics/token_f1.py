"""Token F1: the words that answer and gold text share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._text import mean_of_best, shared_words

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class TokenF1:
    """The mean over rows of the F1 of words shared with the gold text, the best one where there are several.

    As the official SQuAD script counts it (Rajpurkar et al. 2016, arXiv:1606.05250), except that two texts without any word are equal. It knows no
    order of words and no synonyms. A row without an answer counts 0.
    """

    name = "token_f1"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The best F1 of each row."""
        return mean_of_best(predictions, shared_words)
