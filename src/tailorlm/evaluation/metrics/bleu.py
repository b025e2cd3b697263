"""BLEU: runs of one to four tokens that answers and gold texts share, over all rows together."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from tailorlm.evaluation.metrics._base import Evidence, FloatArray, Sums
from tailorlm.evaluation.metrics._ngrams import SPACELESS, runs
from tailorlm.evaluation.metrics._text import said, texts_of

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

ORDER = 4
_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
# The rules of mteval-v13a, in its order: ASCII signs stand alone, points and commas but between digits, a hyphen behind a digit.
_RULES = (
    (re.compile(f"([!-&(-+/:-@\\[-`{{-~{SPACELESS}])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


class Bleu:
    """Corpus BLEU as a fraction: the geometric mean of precisions of runs of 1 to 4 tokens, times a penalty for answers that are too short.

    Equal to a hundredth of sacrebleu's (13a tokens, `exp` smoothing, several references by the closest length); where no answer at all has
    four tokens, the longer runs are left out (its `effective_order`), and signs of scripts without spaces are tokens.
    It is a score of all rows together, not a mean over rows; a row without an answer is an empty one.
    Choose it for translation and rewriting, to be compared with papers; `rouge_l` or `token_f1` for single rows.
    Sources: Papineni et al. 2002; Post 2018 (arXiv:1804.08771).
    """

    name = "bleu"
    version = 1
    higher_is_better = True
    unit = "fraction"
    reads = "text"
    own_kind_only = True  # a quoted word has no runs, and a right "no answer" no words
    averages_over: Literal["rows", "labels", "parts"] = "parts"

    def evidence(self, predictions: Predictions) -> Evidence:
        """For each row hits and counts of runs of every length, and the lengths of answer and gold text."""
        rows = [_row(gold, said(answer) or "") for gold, answer in zip(predictions.gold, predictions.predicted)]
        return Sums(np.array(rows, dtype=np.float64).reshape(len(rows), 2 * ORDER + 2), _bleu)


def tokens(text: str) -> list[str]:
    """Tokens as mteval-v13a cuts them."""
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES.items():
        line = line.replace(entity, sign)
    line = f" {line} "
    for pattern, put in _RULES:
        line = pattern.sub(put, line)
    return line.split()


def _row(gold: object, answer: str) -> list[int]:
    given = tokens(answer)
    wanted = [tokens(text) for text in texts_of(gold)]
    length = min((len(one) for one in wanted), key=lambda size: (abs(size - len(given)), size))
    hits, counts = [], []
    for n in range(1, ORDER + 1):
        most: Counter[tuple[str, ...]] = Counter()
        for one in wanted:
            most |= runs(one, n)
        mine = runs(given, n)
        hits.append((mine & most).total())
        counts.append(mine.total())
    return [*hits, *counts, len(given), length]


def _bleu(total: FloatArray) -> FloatArray:
    """Of sums (B, 10): hits and counts by length of run, tokens said, tokens wanted."""
    hits, counts, told, wanted = total[:, :ORDER], total[:, ORDER : 2 * ORDER], total[:, -2], total[:, -1]
    # A length without a hit counts as half a hit, the next such one as a quarter, and so on (`exp` smoothing).
    missed = np.cumsum((hits == 0) & (counts > 0), axis=1)
    precisions = np.where(hits > 0, hits, 0.5**missed) / np.maximum(counts, 1)
    there = counts > 0
    short = np.minimum(0.0, 1 - wanted / np.maximum(told, 1))
    logs = np.where(there, np.log(precisions), 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(hits.any(axis=1), np.minimum(np.exp(logs + short), 1.0), 0.0)
