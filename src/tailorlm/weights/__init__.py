"""Weights parts: which parameters learn. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "features": "tailorlm.weights.features:Features",
    "head": "tailorlm.weights.head:Head",
    "top_layers": "tailorlm.weights.top_layers:TopLayers",
    "bias": "tailorlm.weights.bias:Bias",
    "adapter": "tailorlm.weights.adapter:Adapter",
    "lora": "tailorlm.weights.lora:LoRA",
    "prefix": "tailorlm.weights.prefix:Prefix",
    "prompt": "tailorlm.weights.prompt:Prompt",
    "ia3": "tailorlm.weights.ia3:IA3",
    "full": "tailorlm.weights.full:Full",
}

weights = Registry("weights part", TABLE, "tailorlm.weights")
