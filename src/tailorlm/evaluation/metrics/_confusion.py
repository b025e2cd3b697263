"""Counting answers, on all rows and on many resamples of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics._base import FloatArray, IntArray

BLOCK = 1 << 20
"""How many looked-up rows one block of resamples may hold (8 MB of codes): bounds the memory, and fits a cache."""


class LabelCounts(NamedTuple):
    """Counts a label, each (B, n_labels): rows of that gold label, rows answered with it, and rows of both."""

    gold: FloatArray
    predicted: FloatArray
    hits: FloatArray


def checked(gold: IntArray, predicted: IntArray) -> None:
    """Refuse rows that no metric can score: none at all, or two lengths."""
    if gold.shape != predicted.shape or gold.ndim != 1:
        raise TailorError(
            "gold and predicted labels are not one each a row",
            got=f"shapes {gold.shape} and {predicted.shape}",
            allowed="two one-dimensional arrays of one length",
        )
    if not len(gold):
        raise TailorError("there are no rows to score", got="0 rows", allowed="at least one row")


def counts(gold: IntArray, predicted: IntArray, n_labels: int) -> LabelCounts:
    """The label counts on all rows, as a batch of one."""
    checked(gold, predicted)
    hit = gold[gold == predicted]
    parts = [np.bincount(codes, minlength=n_labels)[None, :].astype(np.float64) for codes in (gold, predicted, hit)]
    return LabelCounts(*parts)


def resampled_counts(
    gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray
) -> Iterator[tuple[slice, LabelCounts]]:
    """The label counts of every resample, in blocks of bounded memory: (which resamples, their counts).

    Only the (gold, predicted) cells that occur are counted, so that a hundred labels cost no more than the few
    hundred cells that their rows fill.
    """
    checked(gold, predicted)
    cells, code = np.unique(gold * n_labels + predicted, return_inverse=True)
    place = np.arange(len(cells))
    to_gold, to_predicted = np.zeros((2, len(cells), n_labels))
    to_gold[place, cells // n_labels] = 1.0
    to_predicted[place, cells % n_labels] = 1.0
    step = max(1, BLOCK // max(1, index.shape[1]))
    for start in range(0, len(index), step):
        drawn = code[index[start : start + step]]
        drawn += np.arange(len(drawn))[:, None] * len(cells)
        filled = np.bincount(drawn.ravel(), minlength=len(drawn) * len(cells))
        cell_counts = filled.reshape(len(drawn), len(cells)).astype(np.float64)
        block = LabelCounts(cell_counts @ to_gold, cell_counts @ to_predicted, cell_counts @ (to_gold * to_predicted))
        yield slice(start, start + len(drawn)), block
