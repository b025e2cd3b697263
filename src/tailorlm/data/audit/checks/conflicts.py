"""Equal texts with different labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tailorlm.data.audit.finding import Finding, count, share
from tailorlm.data.audit.subject import Subject
from tailorlm.data.quality import find_conflicts

_MANY = 0.01


def conflicts(subject: Subject) -> Iterator[Finding]:
    """`label-conflict`: texts that are equal but for case, blanks and punctuation, and have different labels.

    A fault where it is more than one row in a hundred; nobody can be right on all of them.
    """
    labels, kept = subject.labels or (), subject.labelled
    found = find_conflicts([subject.texts[i] for i in kept], [labels[i] for i in kept])
    if not found:
        return
    rows = tuple(kept[i] for conflict in found for i in conflict.indices)
    settled = sum(_has_majority(conflict.labels) for conflict in found)
    pairs = Counter(" / ".join(sorted(set(conflict.labels))) for conflict in found)
    wrong = sum(len(conflict.labels) - max(Counter(conflict.labels).values()) for conflict in found)
    yield Finding(
        "label-conflict",
        "fault" if len(rows) > _MANY * len(kept) else "warning",
        f"{count(len(found), 'text stands', 'texts stand')} in the set more than once with different labels "
        f"({count(len(rows), 'row')}, {share(len(rows), len(kept))}). At least {wrong:,} of these rows must have a wrong "
        "one.",
        f"Settle each text and give all its copies that label; {settled:,} of the {len(found):,} have a majority to follow. "
        "If both labels are right, the task has several labels a row.",
        rows=rows,
        numbers={"texts": len(found), "rows": len(rows), "wrong_at_least": wrong, "with_majority": settled},
        details=tuple({"labels": names, "texts": texts} for names, texts in pairs.most_common(subject.settings.shown)),
    )


def _has_majority(labels: tuple[str, ...]) -> bool:
    first, *rest = Counter(labels).most_common(2)
    return not rest or first[1] > rest[0][1]
