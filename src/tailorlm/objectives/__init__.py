"""Objectives: what the weights learn from. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "labels": "tailorlm.objectives.labels:Labels",
    "contrastive": "tailorlm.objectives.contrastive:Contrastive",
    "domain_distance": "tailorlm.objectives.domain_distance:DomainDistance",
    "masked_lm": "tailorlm.objectives.masked_lm:MaskedLM",
    "causal_lm": "tailorlm.objectives.causal_lm:CausalLM",
    "distill": "tailorlm.objectives.distill:Distill",
    "multi_task": "tailorlm.objectives.multi_task:MultiTask",
    "intermediate_task": "tailorlm.objectives.intermediate_task:IntermediateTask",
    "preference": "tailorlm.objectives.preference:Preference",
    "ranking": "tailorlm.objectives.ranking:Ranking",
    "triplet": "tailorlm.objectives.triplet:Triplet",
    "simcse": "tailorlm.objectives.simcse:SimCSE",
    "denoising": "tailorlm.objectives.denoising:Denoising",
}

objectives = Registry("objective", TABLE, "tailorlm.objectives")
