"""Layers by role, on every architecture, by name: a table to be read beside the modelling files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tailorlm.core.errors import TailorError
from tailorlm.models.layers import biases, blocks, projections
from tiny import ARCHITECTURES, LAYERS

Base = Callable[..., Path]

# architecture: stack, query and value, rest of attention, mlp; names inside block 1
ROLES: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "bert": (
        "encoder.layer",
        ["attention.self.query", "attention.self.value"],
        ["attention.self.key", "attention.output.dense"],
        ["intermediate.dense", "output.dense"],
    ),
    "roberta": (
        "encoder.layer",
        ["attention.self.query", "attention.self.value"],
        ["attention.self.key", "attention.output.dense"],
        ["intermediate.dense", "output.dense"],
    ),
    "distilbert": (
        "transformer.layer",
        ["attention.q_lin", "attention.v_lin"],
        ["attention.k_lin", "attention.out_lin"],
        ["ffn.lin1", "ffn.lin2"],
    ),
    "modernbert": ("layers", ["attn.Wqkv"], ["attn.Wo"], ["mlp.Wi", "mlp.Wo"]),
    "gpt2": ("h", ["attn.c_attn"], ["attn.c_proj"], ["mlp.c_fc", "mlp.c_proj"]),
    "llama": (
        "layers",
        ["self_attn.q_proj", "self_attn.v_proj"],
        ["self_attn.k_proj", "self_attn.o_proj"],
        ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
    ),
    "qwen2": (
        "layers",
        ["self_attn.q_proj", "self_attn.v_proj"],
        ["self_attn.k_proj", "self_attn.o_proj"],
        ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
    ),
}
# architecture: biases of a block, biases outside the blocks (pooler included)
BIASES: dict[str, tuple[list[str], list[str]]] = {
    "bert": (
        [
            "attention.self.query.bias",
            "attention.self.key.bias",
            "attention.self.value.bias",
            "attention.output.dense.bias",
            "attention.output.LayerNorm.bias",
            "intermediate.dense.bias",
            "output.dense.bias",
            "output.LayerNorm.bias",
        ],
        ["embeddings.LayerNorm.bias", "pooler.dense.bias"],
    ),
    "distilbert": (
        [
            "attention.q_lin.bias",
            "attention.k_lin.bias",
            "attention.v_lin.bias",
            "attention.out_lin.bias",
            "sa_layer_norm.bias",
            "ffn.lin1.bias",
            "ffn.lin2.bias",
            "output_layer_norm.bias",
        ],
        ["embeddings.LayerNorm.bias"],
    ),
    "modernbert": ([], []),
    "gpt2": (
        ["ln_1.bias", "attn.c_attn.bias", "attn.c_proj.bias", "ln_2.bias", "mlp.c_fc.bias", "mlp.c_proj.bias"],
        ["ln_f.bias"],
    ),
    "llama": ([], []),
    "qwen2": (["self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"], []),
}
BIASES["roberta"] = BIASES["bert"]


def body_of(folder: Path, native: bool = False) -> Any:
    from transformers import AutoModel, AutoModelForSequenceClassification

    return (AutoModelForSequenceClassification if native else AutoModel).from_pretrained(folder)


def test_every_architecture_is_in_the_tables() -> None:
    assert set(ROLES) == set(BIASES) == set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("native", [False, True])
def test_blocks_and_projections_by_name(architecture: str, native: bool, base: Base) -> None:
    body = body_of(base(architecture, "native"), native)
    stack, query_value, rest, mlp = ROLES[architecture]
    prefix = f"{body.base_model_prefix}." if native else ""
    names = [name for name, _ in blocks(body)]
    assert names == [f"{prefix}{stack}.{i}" for i in range(LAYERS)]
    modules = dict(body.named_modules())
    assert all(modules[name] is block for name, block in blocks(body))

    def full(inner: list[str]) -> set[str]:
        return {f"{name}.{i}" for name in names for i in inner}

    assert set(projections(body, "query_value")) == full(query_value)
    assert set(projections(body, "attention")) == full(query_value + rest)
    assert set(projections(body, "mlp")) == full(mlp)
    assert set(projections(body, "all")) == full(query_value + rest + mlp)
    assert len(projections(body, "all")) == LAYERS * len(query_value + rest + mlp)
    assert all(
        isinstance(modules[name].weight, nn.Parameter) and modules[name].weight.ndim == 2
        for name in projections(body, "all")
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_biases_by_name(architecture: str, base: Base) -> None:
    body = body_of(base(architecture, "native"))
    inside, outside = BIASES[architecture]
    stack = ROLES[architecture][0]
    assert set(biases(body)) == {f"{stack}.{i}.{name}" for i in range(LAYERS) for name in inside} | set(outside)
    assert all(dict(body.named_parameters())[name].ndim == 1 for name in biases(body))


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(TailorError, match="no stack of transformer blocks") as error:
        blocks(nn.Sequential(nn.Linear(2, 2)))
    assert error.value.got == "Sequential"


def test_a_role_that_the_model_lacks_is_refused() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Sequential(nn.Linear(2, 2))])

    assert projections(Odd(), "mlp") == ["layers.0.0"]
    with pytest.raises(TailorError, match="no linear layers in the role 'attention'") as error:
        projections(Odd(), "attention")
    assert error.value.hint == "targets: all"


def test_the_stack_is_the_largest_list() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small = nn.ModuleList([nn.Linear(2, 2) for _ in range(9)])
            self.large = nn.ModuleList([nn.Linear(20, 20) for _ in range(2)])

    assert [name for name, _ in blocks(Two())] == ["large.0", "large.1"]
