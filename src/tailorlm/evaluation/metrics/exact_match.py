"""Exact match: the answer is a gold text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._text import mean_of_best, plain, worded

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class ExactMatch:
    """The share of rows whose answer equals a gold text but for case, punctuation, English articles and white space.

    As the official script of SQuAD 2.0 counts it (Rajpurkar et al. 2018, arXiv:1806.03822), which for answered questions is that of 1.1:
    gold texts without any word are left out where others are left, and an empty answer is right where there are none. Choose it where
    answers are short and there is one way of saying them; `token_f1` where wording varies. A row of which no answer came is wrong.
    """

    name = "exact_match"
    version = 2
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    averages_over: Literal["rows", "labels", "parts"] = "rows"

    def evidence(self, predictions: Predictions) -> Evidence:
        """Right or wrong, row by row."""
        return mean_of_best(predictions, lambda gold, answer: float(plain(gold) == plain(answer)), worded)
