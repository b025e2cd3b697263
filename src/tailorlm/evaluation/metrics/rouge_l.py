"""ROUGE-L: the longest run of words, with gaps, that answer and gold text share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.evaluation.metrics._base import Evidence
from tailorlm.evaluation.metrics._ngrams import f1, longest_common, words
from tailorlm.evaluation.metrics._text import mean_of_best

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


class RougeL:
    """The mean over rows of the F1 of the longest common subsequence of words, the best one where there are several gold texts.

    Equal to rouge-score's `rougeL` (no stemming) on text in ASCII; other letters are letters here, and signs of scripts without spaces are words.
    A row without an answer counts 0. Source: Lin 2004. Choose it for summaries and rewriting; it knows no synonyms.
    """

    name = "rouge_l"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    own_kind_only = True  # a quoted word has no runs, and a right "no answer" no words
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """The best F1 of each row."""
        return mean_of_best(predictions, _shared)


def _shared(gold: str, answer: str) -> float:
    wanted, said = words(gold), words(answer)
    return f1(longest_common(wanted, said), len(wanted), len(said))
