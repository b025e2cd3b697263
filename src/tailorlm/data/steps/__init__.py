"""The steps of data preparation by name: one file each, one line each in the table.

A step (see `base.Step`) sees all rows first if it must (`look`, `learn`), then changes or drops them one by one (`apply`),
counting what it did and why. Third parties add theirs through the entry-point group `tailorlm.steps`.
"""

from tailorlm.core.registry import Registry
from tailorlm.data.steps._models import Models, Rewording
from tailorlm.data.steps.base import Context, Dropped, Item, Step, Tally

TABLE = {
    "passages": "tailorlm.data.steps.passages:Passages",
    "repair": "tailorlm.data.steps.repair:Repair",
    "filter": "tailorlm.data.steps.filter:Filter",
    "deduplicate": "tailorlm.data.steps.deduplicate:Deduplicate",
    "redact": "tailorlm.data.steps.redact:Redact",
    "split": "tailorlm.data.steps.split:Split",
    "decontaminate": "tailorlm.data.steps.decontaminate:Decontaminate",
    "audit": "tailorlm.data.steps.audit:Audit",
    "augment": "tailorlm.data.steps.augment:Augment",
}

steps = Registry("step", TABLE, "tailorlm.steps")

__all__ = ["Context", "Dropped", "Item", "Models", "Rewording", "Step", "Tally", "steps"]
