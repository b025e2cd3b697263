"""Comparing texts as the SQuAD task does, and means over rows."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tailorlm.evaluation.metrics._base import Sums
from tailorlm.evaluation.predictions import Predictions

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


def plain(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and surplus white space, in this order: SQuAD's normalisation."""
    kept = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def texts_of(gold: Any) -> list[str]:
    """The gold texts of a row; an empty one where there is none."""
    return [gold] if isinstance(gold, str) else [said(one) or "" for one in gold] or [""]


def worded(gold: Any) -> list[str]:
    """The gold texts with words, as the script of SQuAD 2.0 takes them; an empty one where none has any."""
    return [text for text in texts_of(gold) if plain(text)] or [""]


def said(answer: Any) -> str | None:
    """The words of an answer of the kinds `text` and `quote`; None where none came."""
    return answer if answer is None or isinstance(answer, str) else str(answer["text"])


def shared_words(gold: str, predicted: str) -> float:
    """F1 of the words of two texts, each counted as often as it stands; 1 for two texts without words, 0 where only one has any."""
    wanted, given = plain(gold).split(), plain(predicted).split()
    if not wanted or not given:
        return float(wanted == given)
    same = sum((Counter(wanted) & Counter(given)).values())
    return 2 * same / (len(wanted) + len(given))


def best_match(golds: Sequence[str], answer: str | None, score: Callable[[str, str], float]) -> float:
    """The best score of an answer against some texts; 0 where none came."""
    return 0.0 if answer is None else max(score(text, answer) for text in golds)


def mean_of_best(
    predictions: Predictions,
    score: Callable[[str, str], float],
    golds: Callable[[Any], list[str]] = texts_of,
) -> Sums:
    """The mean over rows of the best score against a row's gold texts (`golds` of them); a row of which no answer came counts 0."""
    return Sums.mean(
        [best_match(golds(gold), said(answer), score) for gold, answer in zip(predictions.gold, predictions.predicted)]
    )
