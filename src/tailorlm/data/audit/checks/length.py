"""How long the texts are: by label, by split, and rows far out of line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tailorlm.data.audit.effect import cliffs_delta, epsilon_squared
from tailorlm.data.audit.finding import Finding, count, share
from tailorlm.data.audit.subject import Subject

_SURE = 1e-3
_BY_LABEL = 0.25
_BY_SPLIT, _MUCH = 0.15, 0.33
_TIMES = 20


def length(subject: Subject) -> Iterator[Finding]:
    """`length-by-label`: length alone tells labels apart (epsilon squared 0.25 or more).

    `length-by-split`: a split's texts are longer or shorter than those that are learnt from (Cliff's delta 0.15 or more).
    `long-text`: rows over 20 times as long as the middle one. All in characters; differences must also be beyond chance
    (p below 0.001, divided by the number of splits).
    """
    yield from _by_label(subject)
    yield from _by_split(subject)
    yield from _long(subject)


def _by_label(subject: Subject) -> Iterator[Finding]:
    lengths = {name: [len(subject.texts[i]) for i in rows] for name, rows in subject.by_label.items() if rows}
    shift = epsilon_squared(list(lengths.values()))
    if shift.size < _BY_LABEL or shift.p > _SURE:
        return
    middle = {name: _median(values) for name, values in lengths.items()}
    ranked = sorted(middle, key=lambda name: (middle[name], name))
    yield Finding(
        "length-by-label",
        "warning",
        f"Length alone tells much about the label: it explains {share(shift.size, 1)} of the variation in length. The "
        f"middle text of '{ranked[0]}' has {middle[ranked[0]]:,.0f} characters, that of '{ranked[-1]}' "
        f"{middle[ranked[-1]]:,.0f}.",
        "Find out whether the labels come from different sources or were cut differently. If so, a model learns the "
        "length; cut the texts alike, or take rows of like length.",
        numbers={"epsilon_squared": shift.size, "p": shift.p},
        details=tuple(
            {"label": name, "rows": len(lengths[name]), "middle length": middle[name]}
            for name in ranked[: subject.settings.shown]
        ),
    )


def _by_split(subject: Subject) -> Iterator[Finding]:
    train = subject.train
    if train is None:
        return
    base = [len(subject.texts[i]) for i in subject.parts[train]]
    others = [name for name in subject.parts if name != train]
    for name in others:
        values = [len(subject.texts[i]) for i in subject.parts[name]]
        shift = cliffs_delta(values, base)
        if abs(shift.size) < _BY_SPLIT or shift.p > _SURE / len(others):
            continue
        yield Finding(
            "length-by-split",
            "warning" if abs(shift.size) >= _MUCH else "note",
            f"The texts of '{name}' are {'longer' if shift.size > 0 else 'shorter'} than those of '{train}': middle length "
            f"{_median(values):,.0f} and {_median(base):,.0f} characters (Cliff's delta {shift.size:+.2f}).",
            f"Find out whether '{name}' comes from another source or time. If it is what the model will meet, look for "
            f"rows like it to learn from; if not, split anew at random.",
            numbers={"delta": shift.size, "p": shift.p, "median": _median(values), "train_median": _median(base)},
        )


def _long(subject: Subject) -> Iterator[Finding]:
    lengths = np.array([len(text) for text in subject.texts])
    filled = lengths[lengths > 0]
    middle = float(np.median(filled)) if len(filled) else 0.0
    rows = np.flatnonzero(lengths > _TIMES * max(middle, 10.0))
    if not len(rows):
        return
    ranked = rows[np.argsort(-lengths[rows], kind="stable")]
    yield Finding(
        "long-text",
        "note",
        f"{count(len(rows), 'text is', 'texts are')} over {_TIMES} times as long as the middle one ({middle:,.0f} "
        f"characters); the longest has {lengths.max():,}.",
        "Look at them: joined rows, whole documents and dumps end up here. A model that reads a limited length sees only "
        "their start.",
        rows=tuple(int(i) for i in ranked),
        numbers={"rows": len(rows), "median": middle, "longest": int(lengths.max())},
    )


def _median(values: Sequence[int]) -> float:
    return float(np.median(values)) if len(values) else 0.0
