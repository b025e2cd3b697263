"""Rows that look as if they had another row's label."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from tailorlm.data.audit.finding import Finding, count, share
from tailorlm.data.audit.likely import LikelyErrors, likely_errors
from tailorlm.data.audit.subject import Subject

_WEAK = 2 / 3
_USEFUL = 0.3
_MOST_CELLS = 10_000_000
"""Rows times labels: beyond, judging takes minutes, and labels are so many that each has next to no rows."""


def check_likely_errors(subject: Subject) -> Iterator[Finding]:
    """`likely-label-error`: rows whose label a classifier that never saw them disputes (see `likely.likely_errors`).

    Rows are listed most suspicious first. The message says how far the list can be trusted: on how many rows the
    classifier agrees with the labels, and how many of the labels made wrong on purpose it found. A note where it is a
    weak judge: it found fewer than three in ten of those, or closes less than two thirds of the gap between always answering
    the largest label and being right on all rows. Then the list is an order of reading at best. Where rows times labels are
    more than ten million it only says that nothing was looked for.
    """
    kept, labels = subject.labelled, subject.labels or ()
    vectors = subject.cheap if subject.vectors is None else subject.vectors
    if len(subject.sizes) < 2 or vectors is None:
        return
    if len(kept) * len(subject.sizes) > _MOST_CELLS:
        yield _too_many(len(kept), len(subject.sizes))
        return
    found = likely_errors(
        [subject.texts[i] for i in kept],
        [labels[i] for i in kept],
        seed=subject.settings.seed,
        folds=subject.settings.folds,
        vectors=vectors[kept],
        trial=subject.settings.trial,
    )
    if not found.flagged:
        return
    always = max(subject.sizes.values()) / subject.sizes.total()
    weak = found.accuracy - always < _WEAK * (1 - always) or found.trial < _USEFUL
    rows = tuple(kept[i] for i in found.flagged)
    given = [labels[i] for i in rows]
    pairs = Counter(zip(given, (found.other[i] for i in found.flagged), strict=True))
    yield Finding(
        "likely-label-error",
        "note" if weak else "warning",
        _message(found, len(kept), weak),
        _advice(weak),
        rows=rows,
        numbers={
            "rows": len(rows),
            "expected": found.expected,
            "accuracy": found.accuracy,
            "trial": found.trial,
            "unjudged": len(found.unjudged),
        },
        details=tuple(
            {"label": label, "looks like": other, "rows": rows_of_pair}
            for (label, other), rows_of_pair in pairs.most_common(subject.settings.shown)
        ),
    )


def _too_many(rows: int, labels: int) -> Finding:
    return Finding(
        "likely-label-error",
        "note",
        f"Likely label errors were not looked for: {count(rows, 'row')} with {count(labels, 'label')} would take minutes.",
        "Check that the right column is read as the label. If it is, look at fewer rows (audit.most_rows), or take it that "
        "nobody looked.",
        numbers={"labels": labels},
    )


def _message(found: LikelyErrors, n: int, weak: bool) -> str:
    rows, part = count(len(found.flagged), "row"), share(len(found.flagged), n)
    agrees = f"agrees with the labels on {share(found.accuracy, 1)} of all rows"
    if weak:
        text = f"A weak classifier, which had not seen the rows it judged, doubts the labels of {rows} ({part}); it {agrees}"
    else:
        text = (
            f"{rows} ({part}) may have a wrong label: a classifier that had not seen them is surer of another one. "
            f"It {agrees}"
        )
    if not math.isnan(found.trial):
        text += (
            f", and of labels made wrong at random on purpose it put {share(found.trial, 1)} into the first tenth of its "
            "ranking (guessing: 10 %)"
        )
    return text + "."


def _advice(weak: bool) -> str:
    if weak:
        return (
            "Most of these rows are probably hard, not wrong, and their number means little. Read the first fifty from "
            "the top; the vectors of a sentence encoder may give a better list."
        )
    return (
        "Read from the top and mend until you find nothing wrong for a while; real mistakes are harder to find than "
        "those made on purpose, and some rows are only hard. Mend test rows first: every score rests on them."
    )
