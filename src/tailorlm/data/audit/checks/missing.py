"""Rows without a text or without a label."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.audit.finding import Finding, count, share
from tailorlm.data.audit.subject import Subject


def missing(subject: Subject) -> Iterator[Finding]:
    """`empty-text` and `empty-label`: nothing, or nothing but blanks, where a text or a label should stand."""
    n = len(subject.texts)
    empty = tuple(i for i, text in enumerate(subject.texts) if not text.strip())
    if empty:
        yield Finding(
            "empty-text",
            "fault",
            f"{count(len(empty), 'row has', 'rows have')} no text ({share(len(empty), n)}).",
            "Drop these rows, or find out where their text was lost.",
            rows=empty,
            numbers={"rows": len(empty)},
        )
    bare = tuple(i for i, label in enumerate(subject.labels or ()) if not label.strip())
    if bare:
        yield Finding(
            "empty-label",
            "fault",
            f"{count(len(bare), 'row has', 'rows have')} no label ({share(len(bare), n)}).",
            "Label these rows or drop them; an empty label would be learnt like any other.",
            rows=bare,
            numbers={"rows": len(bare)},
        )
