"""Penalties against forgetting: what is added to the loss of a step. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "l2_sp": "tailorlm.objectives.penalties.l2_sp:L2SP",
    "ewc": "tailorlm.objectives.penalties.ewc:EWC",
    "rehearsal": "tailorlm.objectives.penalties.rehearsal:Rehearsal",
}

penalties = Registry("penalty", TABLE, "tailorlm.penalties")
