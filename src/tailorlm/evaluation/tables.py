"""Which labels, which confusions, which rows: tables over predictions, for reading what a score hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tailorlm.core.errors import UsageError
from tailorlm.evaluation.metrics._base import IntArray
from tailorlm.evaluation.predictions import Predictions
from tailorlm.evaluation.resampling import share_rows


@dataclass(frozen=True)
class LabelScore:
    """One label: `n` rows of that gold label; precision, recall and F1 in [0, 1], 0 where nothing is to be divided."""

    label: str
    n: int
    precision: float
    recall: float
    f1: float


def per_label(predictions: Predictions) -> list[LabelScore]:
    """The scores of every label of the label set, in its order; labels without rows have n = 0.

    Equal to scikit-learn's `precision_recall_fscore_support(zero_division=0)` over the label set.
    """
    table = confusion(predictions)
    hits, gold, answered = np.diagonal(table), table.sum(axis=1), table.sum(axis=0)
    return [label_score(label, *map(int, counts)) for label, *counts in zip(predictions.labels, hits, gold, answered)]


def label_score(label: str, hits: int, gold: int, answered: int) -> LabelScore:
    """The scores of one label from how often it was found, asked for and answered."""
    return LabelScore(label, gold, hits / max(1, answered), hits / max(1, gold), 2 * hits / max(1, gold + answered))


def of_counts(names: Sequence[str], counts: IntArray, limit: int | None = 15) -> dict[str, Any]:
    """`per_label`, `confusion` and `most_confused` as plain data, from counts (gold, answered) in the order of the names."""
    hits, gold, answered = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    wrong = [(n, g, p) for (g, p), n in np.ndenumerate(counts) if n and g != p]
    wrong.sort(key=lambda found: -found[0])  # stable: equal ones stay in the order of the names
    return {
        "per_label": [
            asdict(label_score(name, *map(int, of))) for name, *of in zip(names, hits, gold, answered, strict=True)
        ],
        "confusion": {"labels": list(names), "counts": counts.tolist()},
        "most_confused": [{"gold": names[g], "predicted": names[p], "count": int(n)} for n, g, p in wrong][:limit],
    }


def confusion(predictions: Predictions) -> IntArray:
    """Counts of rows, (labels, labels): gold label down, predicted label across, both in the order of the label set."""
    size = len(predictions.labels)
    gold, predicted = predictions.codes()
    counts = np.bincount(gold * size + predicted, minlength=size * size)
    return np.asarray(counts.reshape(size, size), dtype=np.int64)


def most_confused(predictions: Predictions, limit: int = 10) -> list[tuple[str, str, int]]:
    """The commonest wrong answers as (gold, predicted, rows), most rows first, then in the order of the label set."""
    _check_limit(limit)
    table = confusion(predictions)
    np.fill_diagonal(table, 0)
    cells = np.flatnonzero(table)
    order = cells[np.argsort(-table.ravel()[cells], kind="stable")][:limit]
    gold, predicted = np.unravel_index(order, table.shape)
    labels = predictions.labels
    return [(labels[g], labels[p], int(table[g, p])) for g, p in zip(gold.tolist(), predicted.tolist())]


def disagreements(ways: Mapping[str, Predictions], limit: int = 20) -> list[int]:
    """The rows on which ways differ most, as positions: by the number of distinct answers, then by their entropy.

    Rows on which all ways agree are left out; ties stand in row order. These rows are worth a person's look: they
    show what one way knows and another does not. Errors: a TailorError when ways do not share their rows.
    """
    _check_limit(limit)
    answers, _ = _answers(ways)
    counts = [np.unique(row, return_counts=True)[1] for row in answers]
    distinct = np.array([len(times) for times in counts])
    entropy = np.array([-(share * np.log(share)).sum() for share in (times / times.sum() for times in counts)])
    order = np.lexsort((-entropy.round(12), -distinct))
    return [int(row) for row in order if distinct[row] > 1][:limit]


def all_wrong(ways: Mapping[str, Predictions]) -> list[int]:
    """The rows that every way gets wrong, as positions: candidates for wrong gold answers.

    First those on which all ways agree on the same other answer (several independent ways against gold), then
    by the share of ways that do; ties stand in row order. Errors: a TailorError when ways do not share their rows.
    Source of the idea: Northcutt, Athalye and Mueller, "Pervasive Label Errors in Test Sets", NeurIPS 2021.
    """
    answers, right = _answers(ways)
    agree = np.array([np.unique(row, return_counts=True)[1].max() for row in answers])
    order = np.argsort(-agree, kind="stable")
    return [int(row) for row in order if not right[row]]


def _answers(ways: Mapping[str, Predictions]) -> tuple[IntArray, IntArray]:
    """The answers of K ways as codes, (n, K), and how many ways answer each row rightly, (n,)."""
    rows = share_rows({name: [predictions] for name, predictions in ways.items()})
    answers = np.stack([codes[0] for codes in rows.predicted], axis=1)
    return answers, np.sum(rows.hits, axis=0)


def _check_limit(limit: int) -> None:
    if limit < 0:
        raise UsageError("the limit of a table is negative", got=str(limit), allowed="0 or more")
