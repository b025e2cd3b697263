"""Weights parts: which parameters learn. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "features": "tailorlm.weights.features:Features",
    "head": "tailorlm.weights.head:Head",
    "top_layers": "tailorlm.weights.top_layers:TopLayers",
    "bias": "tailorlm.weights.bias:Bias",
    "lora": "tailorlm.weights.lora:LoRA",
    "full": "tailorlm.weights.full:Full",
}

weights = Registry("weights part", TABLE, "tailorlm.weights")
