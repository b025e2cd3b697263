"""What is personal or secret in a text: found by kind, then masked, replaced by a stand-in, or taken out.

One file per kind of identifier and one line in the table; the numbers of states have their own folder and table
(`national/`). Third parties add theirs through the entry-point group `tailorlm.redact`. A finder answers with offsets
only: no value is kept in what it returns, prints or raises.
"""

from tailorlm.data.redact._find import find, kinds_named
from tailorlm.data.redact._kinds import GROUPS, KINDS, TABLE
from tailorlm.data.redact._names import LABELS, Model, NamesByModel
from tailorlm.data.redact._redactor import Mode, Redactor
from tailorlm.data.redact.base import Found, Kind
from tailorlm.data.redact.phone import Phone

__all__ = [
    "GROUPS",
    "KINDS",
    "LABELS",
    "TABLE",
    "Found",
    "Kind",
    "Mode",
    "Model",
    "NamesByModel",
    "Phone",
    "Redactor",
    "find",
    "kinds_named",
]
