"""Objectives: what the weights learn from. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "labels": "tailorlm.objectives.labels:Labels",
    "contrastive": "tailorlm.objectives.contrastive:Contrastive",
    "masked_lm": "tailorlm.objectives.masked_lm:MaskedLM",
    "causal_lm": "tailorlm.objectives.causal_lm:CausalLM",
}

objectives = Registry("objective", TABLE, "tailorlm.objectives")
