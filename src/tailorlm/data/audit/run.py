"""The whole audit: every check over one set of rows."""

from __future__ import annotations

from collections.abc import Sequence

from tailorlm.data.audit.checks import CHECKS
from tailorlm.data.audit.crossfit import Floats
from tailorlm.data.audit.finding import Finding, by_severity
from tailorlm.data.audit.subject import AuditSettings, Subject


def audit(
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    *,
    vectors: Floats | None = None,
    settings: AuditSettings | None = None,
) -> list[Finding]:
    """What is wrong or worth knowing about the labels and the balance of a set of rows, the worst first.

    texts, labels, splits: one a row; labels are needed for all checks of labels, splits for those that compare them (the
    one called 'train', else the largest, is what is learnt from). vectors: (n, d) of a sentence encoder, for a better
    search for wrong labels. settings: which checks, which limits. Rows without text or label are reported and then left
    out of what needs them. An empty list means that every check was silent, not that the rows are right.
    Memory: what `likely_errors` needs, and counts of the words; nothing of the rows is kept afterwards.
    Raises UsageError for lists of different lengths and unknown checks.

    Choose it after cleaning and before splitting or training; again with `splits` once they are made. Copies across
    splits are found by deduplication.

    >>> [found.code for found in audit(["good", "good!", "bad"], ["1", "0", "0"])]
    ['label-conflict', 'few-rows']
    """
    settings = settings or AuditSettings()
    subject = Subject(texts, labels, splits, vectors, settings)
    findings = [found for name in settings.checks or CHECKS for found in CHECKS.get(name)(subject)]
    return by_severity(found for found in findings if found.code not in settings.silent)
