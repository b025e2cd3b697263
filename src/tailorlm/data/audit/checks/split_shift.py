"""Splits that can be told apart by their words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tailorlm.data.audit.crossfit import CrossFit, folds_of
from tailorlm.data.audit.effect import cliffs_delta
from tailorlm.data.audit.finding import Finding
from tailorlm.data.audit.subject import Subject
from tailorlm.data.audit.words import order

_NOTE, _WARNING = 0.6, 0.7
_SURE = 1e-3
_LEAST = 30
_MOST = 5_000


def split_shift(subject: Subject) -> Iterator[Finding]:
    """`split-shift`: a classifier tells the rows of a split from those that are learnt from (AUC 0.6 or more).

    A test of two samples by a classifier that has not seen the rows it judges (Lopez-Paz and Oquab 2017,
    arXiv:1610.06545), on at most 5,000 rows of each side. 0.5 is no difference, 1.0 a complete one.
    """
    train = subject.train
    if train is None:
        return
    for name in sorted(subject.parts):
        if name == train:
            continue
        auc, p = _told_apart(subject, train, name)
        if auc < _NOTE or p > _SURE / (len(subject.parts) - 1):
            continue
        yield Finding(
            "split-shift",
            "warning" if auc >= _WARNING else "note",
            f"The rows of '{name}' can be told from those of '{train}' by their words: of two rows, one of each, a "
            f"classifier says which is which in {100 * auc:.0f} % of cases (no difference: 50 %).",
            f"Scores on '{name}' are then for other rows than those learnt from. That is right if '{name}' is what the "
            "model will meet, and wrong if it was meant as a sample of the same; then split anew at random.",
            numbers={"auc": auc, "p": p},
        )


def _told_apart(subject: Subject, train: str, name: str) -> tuple[float, float]:
    chosen, codes = [], []
    for code, part in enumerate((train, name)):
        filled = [i for i in subject.parts[part] if subject.texts[i].strip()]
        filled.sort(key=lambda i: order(subject.settings.seed, subject.texts[i]))
        chosen += filled[:_MOST]
        codes += [code] * len(filled[:_MOST])
    texts, sides = [subject.texts[i] for i in chosen], np.array(codes, np.int64)
    if min(len(sides) - sides.sum(), sides.sum()) < _LEAST or subject.cheap is None:
        return 0.5, 1.0
    vectors = subject.cheap[chosen]
    fitted = CrossFit(2).fit(vectors, sides, folds_of(texts, sides, subject.settings.folds, subject.settings.seed))
    chance = fitted.held_out[:, 1].astype(np.float64)
    shift = cliffs_delta(chance[sides == 1].tolist(), chance[sides == 0].tolist())
    return (shift.size + 1) / 2, shift.p
