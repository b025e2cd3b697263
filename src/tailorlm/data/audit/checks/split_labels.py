"""Labels that stand in one split and not in the other, or with other shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from tailorlm.data.audit.effect import cramers_v
from tailorlm.data.audit.finding import Finding, count, listed, share
from tailorlm.data.audit.subject import Subject

_SURE = 1e-3
_SMALL, _MEDIUM = 0.1, 0.3


def split_labels(subject: Subject) -> Iterator[Finding]:
    """`label-not-in-train`: labels that are asked for and never taught. `label-not-in-split`: taught and never asked for.

    `label-shift`: the labels have other shares in a split than in the one that is learnt from (Cramér's V 0.1 or more,
    corrected for chance, and p below 0.001).
    """
    train = subject.train
    if train is None or subject.labels is None:
        return
    labels = subject.labels
    inside = {name: Counter(labels[i] for i in rows if labels[i].strip()) for name, rows in subject.parts.items()}
    for name in sorted(inside):
        if name == train or not inside[name]:
            continue
        yield from _absent(subject, train, name, inside)
        yield from _shifted(train, name, inside)


def _absent(subject: Subject, train: str, name: str, inside: dict[str, Counter[str]]) -> Iterator[Finding]:
    labels = subject.labels or ()
    untaught = sorted(set(inside[name]) - set(inside[train]))
    if untaught:
        rows = tuple(i for i in subject.parts[name] if labels[i] in set(untaught))
        yield Finding(
            "label-not-in-train",
            "fault",
            f"{count(len(untaught), 'label')} of '{name}' ({count(len(rows), 'row')}) "
            f"{'does' if len(untaught) == 1 else 'do'} not occur in '{train}': {listed(untaught)}.",
            "No model can answer what it was never shown. Move rows over, drop the label, or mend its spelling.",
            rows=rows,
            numbers={"labels": len(untaught), "rows": len(rows)},
        )
    unasked = sorted(set(inside[train]) - set(inside[name]))
    if unasked:
        yield Finding(
            "label-not-in-split",
            "note",
            f"{count(len(unasked), 'label')} of '{train}' {'does' if len(unasked) == 1 else 'do'} not occur in '{name}': "
            f"{listed(unasked)}.",
            f"Scores on '{name}' say nothing about {'this label' if len(unasked) == 1 else 'these labels'}.",
            numbers={"labels": len(unasked)},
        )


def _shifted(train: str, name: str, inside: dict[str, Counter[str]]) -> Iterator[Finding]:
    names = sorted(set(inside[train]) | set(inside[name]))
    table = np.array([[inside[part][label] for label in names] for part in (train, name)])
    shift = cramers_v(table)
    if shift.size < _SMALL or shift.p > _SURE:
        return
    shares = table / table.sum(axis=1, keepdims=True)
    apart = float(np.abs(shares[0] - shares[1]).sum() / 2)
    widest = int(np.abs(shares[0] - shares[1]).argmax())
    yield Finding(
        "label-shift",
        "warning" if shift.size >= _MEDIUM else "note",
        f"The labels have other shares in '{name}' than in '{train}': {share(apart, 1)} of the rows would need another "
        f"label to make them equal. Furthest apart is '{names[widest]}', {share(shares[1][widest], 1)} against "
        f"{share(shares[0][widest], 1)}.",
        f"If '{name}' has the shares that the model will meet, weigh or choose the rows to learn from accordingly; if "
        "not, split anew, stratified.",
        numbers={"cramers_v": shift.size, "p": shift.p, "apart": apart},
    )
