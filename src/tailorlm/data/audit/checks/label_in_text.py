"""The name of the label in the text itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tailorlm.data.audit.finding import Finding, count, listed, share
from tailorlm.data.audit.subject import Subject
from tailorlm.data.audit.words import name_words, words

_OWN = 0.5
_PURE = 0.9
_LEAST = 5
_TOLD = 0.2


def label_in_text(subject: Subject) -> Iterator[Finding]:
    """`label-in-text`: labels whose name stands in half of their rows or more, and nearly only there (purity 0.9).

    A fault where that is so for rows in number (a fifth of the set), else a note: a label named after what its rows are
    about has its name in them by nature. Names without letters ('0', '1', '4-5') are left aside.
    """
    own, other, where = _counts(subject)
    told = [
        name
        for name in subject.sizes
        if own[name] >= max(_LEAST, _OWN * subject.sizes[name]) and own[name] >= _PURE * (own[name] + other[name])
    ]
    if not told:
        return
    told.sort(key=lambda name: (-own[name] / subject.sizes[name], name))
    rows = tuple(sorted(i for name in told for i in where[name]))
    n = len(subject.labelled)
    yield Finding(
        "label-in-text",
        "fault" if len(rows) >= _TOLD * n else "note",
        f"The name of {count(len(told), 'label stands', 'labels stand')} in most of its own rows and hardly in others "
        f"({count(len(rows), 'row')}, {share(len(rows), n)} of the set): {listed(told)}.",
        "Look at a few of these rows. If the name was written in by a form, a template or a sorting rule, take it out of "
        "the text, or the model learns to read it off. If people simply use the word, leave it.",
        rows=rows,
        numbers={"labels": len(told), "rows": len(rows), "share": len(rows) / n},
        details=tuple(
            {
                "label": name,
                "rows with its name": own[name],
                "share of its rows": own[name] / subject.sizes[name],
                "other rows with it": other[name],
            }
            for name in told[: subject.settings.shown]
        ),
    )


def _counts(subject: Subject) -> tuple[Counter[str], Counter[str], dict[str, list[int]]]:
    """Rows of the label and other rows that hold each label's name, and the indices of the former."""
    names = {name: name_words(name) for name in subject.sizes}
    by_first: dict[str, list[str]] = {}
    for name, parts in names.items():
        if any((len(part) > 1 and part.isalpha()) or not part.isascii() for part in parts):
            by_first.setdefault(parts[0], []).append(name)
    own: Counter[str] = Counter()
    other: Counter[str] = Counter()
    where: dict[str, list[int]] = {}
    labels = subject.labels or ()
    for i in subject.labelled:
        inside = words(subject.texts[i])
        starts = {word for word in inside if word in by_first}
        for name in {name for word in starts for name in by_first[word] if _stands(names[name], inside)}:
            if name == labels[i]:
                own[name] += 1
                where.setdefault(name, []).append(i)
            else:
                other[name] += 1
    return own, other, where


def _stands(parts: Sequence[str], inside: Sequence[str]) -> bool:
    """Whether the words `parts` follow each other somewhere in `inside`."""
    width = len(parts)
    if width == 1:
        return True  # the caller has found the first word
    return any(list(inside[k : k + width]) == list(parts) for k, word in enumerate(inside) if word == parts[0])
