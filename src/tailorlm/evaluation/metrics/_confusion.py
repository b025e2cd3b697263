"""Counting answers, on all rows and on many resamples of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.evaluation.metrics._base import BLOCK, FloatArray, IntArray


class LabelCounts(NamedTuple):
    """Counts a label, each (labels, B): rows of that gold label, rows answered with it, and rows of both."""

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
    """The label counts on all rows, (n_labels, 1) each."""
    checked(gold, predicted)
    hit = gold[gold == predicted]
    parts = [np.bincount(codes, minlength=n_labels)[:, None].astype(np.float64) for codes in (gold, predicted, hit)]
    return LabelCounts(*parts)


def resampled_counts(
    gold: IntArray, predicted: IntArray, n_labels: int, index: IntArray
) -> Iterator[tuple[slice, LabelCounts]]:
    """The label counts of every resample, in blocks of bounded memory: (which resamples, their counts).

    Only the (gold, predicted) cells that occur are counted, so that a hundred labels cost no more than the few
    hundred cells that their rows fill. Sums of neighbours and no matrix products: threads of a linear-algebra library
    that fight over a busy machine made this ten times slower.
    """
    checked(gold, predicted)
    cells, code = np.unique(gold * n_labels + predicted, return_inverse=True)
    cell_gold, cell_predicted = np.divmod(cells, n_labels)
    by_predicted = np.argsort(cell_predicted, kind="stable")
    on_diagonal = np.flatnonzero(cell_gold == cell_predicted)
    step = max(1, BLOCK // max(1, index.shape[1]))
    for start in range(0, len(index), step):
        width = len(index[start : start + step])
        place = (code * width).take(index[start : start + step])
        place += np.arange(width)[:, None]
        filled = np.bincount(place.ravel(), minlength=len(cells) * width).reshape(len(cells), width)
        hits = np.zeros((n_labels, width))
        hits[cell_gold[on_diagonal]] = filled[on_diagonal]
        by_label = _summed(filled, cell_gold, n_labels)
        answered = _summed(filled[by_predicted], cell_predicted[by_predicted], n_labels)
        yield slice(start, start + width), LabelCounts(by_label, answered, hits)


def _summed(filled: IntArray, label: IntArray, n_labels: int) -> FloatArray:
    """The rows of `filled` (cells, B) added up for each label, (n_labels, B); equal labels stand together."""
    starts = np.flatnonzero(np.diff(label, prepend=-1))
    total = np.zeros((n_labels, filled.shape[1]))
    total[label[starts]] = np.add.reduceat(filled, starts, axis=0)
    return total
