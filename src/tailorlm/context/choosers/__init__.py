"""Choosers: which train rows a model is shown. One file each; add a line here and it is everywhere.

A chooser has `Settings` with `k` (0: none are shown), says whether its choice depends on the query (`per_query`: if not, the examples
are a prefix that all prompts share, computed once), and gives `order(store, queries)`: for every query positions in the store, the
most wanted first.
"""

from tailorlm.core.registry import Registry

TABLE = {
    "random": "tailorlm.context.choosers.random:Random",
    "balanced": "tailorlm.context.choosers.balanced:Balanced",
    "diverse": "tailorlm.context.choosers.diverse:Diverse",
    "nearest": "tailorlm.context.choosers.nearest:Nearest",
}

choosers = Registry("chooser of examples", TABLE, "tailorlm.choosers")
