"""How many parameters learn, against what the papers and libraries of each method give for the models they used."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tailorlm.models.encoder import TextModel
from tailorlm.models.resolve import BaseModel
from tailorlm.weights import weights

# Part, settings, base, parameters below the head. Sources: AdapterHub's table for bert-base (Houlsby and Pfeiffer at reduction 16, LoRA
# r 8 and prefix on plain attention, IA3), Hu et al. 2021 (0.3M for RoBERTa-base at r 8 on query and value), Pfeiffer et al. 2021 (fusion: three
# square matrices a layer), Lester et al. 2021 (tokens x width), Li and Liang 2021 (tokens x layers x 2 x width).
PUBLISHED: list[tuple[str, dict[str, Any], str, int]] = [
    ("adapter", {"placement": "houlsby", "reduction": 16}, "bert-base", 1_789_056),
    ("adapter", {"placement": "pfeiffer", "reduction": 16}, "bert-base", 894_528),
    ("adapter", {"placement": "houlsby", "size": 64}, "bert-base", 24 * (2 * 768 * 64 + 768 + 64)),
    ("adapter", {"placement": "parallel", "reduction": 2}, "bert-base", 12 * (2 * 768 * 384 + 768 + 384)),
    ("lora", {"r": 8, "targets": "query_value"}, "bert-base", 294_912),
    ("lora", {"r": 8, "targets": "query_value"}, "roberta-large", 786_432),
    ("ia3", {}, "bert-base", 55_296),
    ("prompt", {"tokens": 20}, "bert-base", 20 * 768),
    ("prefix", {"tokens": 30}, "bert-base", 30 * 12 * 2 * 768),
]


def empty(name: str) -> TextModel:
    """A published size without weights: 12 or 24 layers on torch's `meta` device."""
    from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    with torch.device("meta"):
        body = {
            "bert-base": lambda: BertModel(BertConfig()),
            "bert-large": lambda: BertModel(BertConfig(**large)),
            "roberta-large": lambda: RobertaModel(RobertaConfig(vocab_size=50_265, **large)),
        }[name]()
    return TextModel(BaseModel(name, None, name), body, None, "mean", 128)


@pytest.mark.parametrize(("part", "settings", "base", "count"), PUBLISHED)
def test_published_counts(
    part: str, settings: dict[str, Any], base: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A model without weights cannot be asked.
    monkeypatch.setattr("tailorlm.weights._virtual.probe", lambda model: None)
    monkeypatch.setattr("tailorlm.weights._virtual.answers_behind", lambda model, bare: True)
    model = empty(base)
    made = weights.get(part)
    start = {"start": "random"} if part == "prompt" else {}
    names = made(made.Settings(**settings, **start)).attach(model)
    parameters = dict(model.named_parameters())
    assert sum(parameters[name].numel() for name in names) == count


def test_bitfits_share() -> None:
    """Ben Zaken et al. 2021: 0.08% of BERT-large for all biases, and about half of them for queries and the MLP's first layer."""
    model = empty("bert-large")
    bias = weights.get("bias")
    total = sum(p.numel() for p in model.body.parameters())
    found = {}
    for which in ("all", "query_mlp"):
        names = bias(bias.Settings(which=which)).trainable(model)
        found[which] = sum(dict(model.named_parameters())[n].numel() for n in names)
    assert round(100 * found["all"] / total, 2) == 0.08
    assert found["query_mlp"] == 24 * (1024 + 4096)
    assert 0.4 < found["query_mlp"] / found["all"] < 0.5
