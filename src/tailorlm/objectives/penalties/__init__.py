"""Penalties against forgetting: a term of the loss, rows in a step, an end of the passes. One file each; add a line here."""

from tailorlm.core.registry import Registry

TABLE = {
    "l2_sp": "tailorlm.objectives.penalties.l2_sp:L2SP",
    "ewc": "tailorlm.objectives.penalties.ewc:EWC",
    "rehearsal": "tailorlm.objectives.penalties.rehearsal:Rehearsal",
    "forgetting_limit": "tailorlm.objectives.penalties.forgetting_limit:ForgettingLimit",
}

penalties = Registry("penalty", TABLE, "tailorlm.penalties")
