"""What an audit looks for: one file a check, one line in the table.

A check is a function `(Subject) -> Iterator[Finding]`. It says nothing where there is nothing to say, and names every
code that it can give in its docstring. Third parties add theirs through the entry-point group `tailorlm.audit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tailorlm.core.registry import Registry
from tailorlm.data.audit.finding import Finding
from tailorlm.data.audit.subject import Subject

Check = Callable[[Subject], Iterator[Finding]]

TABLE = {
    "balance": "tailorlm.data.audit.checks.balance:balance",
    "conflicts": "tailorlm.data.audit.checks.conflicts:conflicts",
    "giveaway": "tailorlm.data.audit.checks.giveaway:giveaway",
    "label_in_text": "tailorlm.data.audit.checks.label_in_text:label_in_text",
    "label_names": "tailorlm.data.audit.checks.label_names:label_names",
    "length": "tailorlm.data.audit.checks.length:length",
    "likely_errors": "tailorlm.data.audit.checks.likely_errors:check_likely_errors",
    "missing": "tailorlm.data.audit.checks.missing:missing",
    "split_labels": "tailorlm.data.audit.checks.split_labels:split_labels",
    "split_shift": "tailorlm.data.audit.checks.split_shift:split_shift",
    "vocabulary": "tailorlm.data.audit.checks.vocabulary:vocabulary",
}

CHECKS = Registry("check of an audit", TABLE, "tailorlm.audit")
