"""Finding a transformer's layers by role, for any architecture.

Roles are read off the structure (the stack of blocks) and the names the field uses for projections, never off a
table of model types. Sources: the `transformers` 5 modelling files of BERT, RoBERTa, DistilBERT, ModernBERT, Llama,
Qwen, GPT-2, GPT-J and T5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from torch import nn

QUERY = {"query", "q_proj", "q_lin", "q"}
KEY = {"key", "k_proj", "k_lin", "k"}
VALUE = {"value", "v_proj", "v_lin", "v"}
FUSED = {"c_attn", "query_key_value", "qkv_proj", "wqkv", "qkv"}
ATTENTION = {"attention", "attn", "self_attn", "self", "selfattention", "encdecattention", "crossattention"}


@dataclass(frozen=True)
class Block:
    """The places of one block by module name: what leaves each attention, what enters the MLP, what leaves it."""

    attention_out: tuple[str, ...]
    mlp_in: str
    mlp_out: str


def blocks(body: nn.Module) -> list[tuple[str, nn.Module]]:
    """The transformer blocks of a model in forward order, as (name, module).

    The stack is the ModuleList with the most parameters; where it is the decoder's, the encoder's blocks come before it. Raises
    TailorError when the model has none.
    """
    from torch import nn

    stacks = {
        name: module for name, module in body.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    }
    if not stacks:
        raise TailorError("this model has no stack of transformer blocks", got=type(body).__name__)
    largest = max(stacks, key=lambda name: sum(p.numel() for p in stacks[name].parameters()))
    encoder = _encoder_of(largest)
    names = [encoder, largest] if encoder != largest and encoder in stacks else [largest]
    return [(f"{name}.{i}", block) for name in names for i, block in enumerate(stacks[name])]


def keep_blocks(body: nn.Module, count: int) -> None:
    """Keep so many of the blocks, spread evenly from the first to the last, and forget the others: a smaller model of the same kind.

    Raises TailorError for more blocks than there are, and for models of encoder and decoder.
    """
    import numpy as np
    from torch import nn

    config: Any = body.config
    stack = blocks(body)
    if getattr(config, "is_encoder_decoder", False):
        raise TailorError("blocks of an encoder-decoder cannot be left out", got=str(config.model_type))
    if not 1 <= count <= len(stack):
        raise TailorError(
            f"layers: {count} blocks asked for", got=f"a model of {len(stack)}", allowed=f"layers: 1 to {len(stack)}"
        )
    kept = np.linspace(0, len(stack) - 1, count).round().astype(int).tolist()
    path, _, name = stack[0][0].rpartition(".")[0].rpartition(".")
    setattr(body.get_submodule(path), name, nn.ModuleList(stack[i][1] for i in kept))
    for place, i in enumerate(kept):
        for module in stack[i][1].modules():
            if isinstance(getattr(module, "layer_idx", None), int):  # where a decoder's cache keeps its keys and values
                module.layer_idx = place
    # Of kinds of attention (ModernBERT, Qwen), one a block: listed afresh they would begin anew at the bottom.
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[i] for i in kept]
    config.num_hidden_layers = count


def projections(body: nn.Module, which: str) -> list[str]:
    """Names of the linear projections inside the blocks.

    which: `query_value` (as in the LoRA paper), `key_value`, `attention`, `mlp`, `mlp_out` or `all`. GPT-2's transposed Conv1D counts
    as linear. A fused projection of query, key and value stands for each of them.
    """
    linear = [f"{name}.{inner}" for name, block in blocks(body) for inner in _linear(block)]
    outs = {block.mlp_out for block in places(body)} if which == "mlp_out" else set()
    chosen = {
        "all": linear,
        "attention": [n for n in linear if _in_attention(n)],
        "mlp": [n for n in linear if not _in_attention(n)],
        "mlp_out": [n for n in linear if n in outs],
        "query_value": [n for n in linear if _in_attention(n) and last_word(n) in QUERY | VALUE | FUSED],
        "key_value": [n for n in linear if _in_attention(n) and last_word(n) in KEY | VALUE | FUSED],
    }[which]
    if not chosen:
        raise TailorError(
            f"this model has no linear layers in the role '{which}'", got=type(body).__name__, hint="targets: all"
        )
    return chosen


def places(body: nn.Module) -> list[Block]:
    """For each block where the attention ends, where the MLP begins and ends; what ends there is as wide as the hidden states.

    Raises TailorError for a block without attention or without an MLP made of linear layers (some mixtures of experts).
    """
    found = []
    for name, block in blocks(body):
        linear = _linear(block)
        attention = [inner for inner in linear if _in_attention(f"{name}.{inner}")]
        mlp = [inner for inner in linear if inner not in attention]
        # Each attention (T5's decoder has two in a block) ends with the last layer under its name.
        ends = {_attention_of(f"{name}.{inner}"): inner for inner in attention}
        outs = [*ends.values(), *mlp[-1:]]
        if not attention or len(mlp) < 2 or len({_out_width(block.get_submodule(inner)) for inner in outs}) != 1:
            raise TailorError(
                f"the block '{name}' has no attention followed by an MLP of linear layers",
                got=type(block).__name__,
                hint="--method lora, which needs no such places",
            )
        found.append(
            Block(tuple(f"{name}.{inner}" for inner in ends.values()), f"{name}.{mlp[0]}", f"{name}.{mlp[-1]}")
        )
    return found


def biases(body: nn.Module) -> list[str]:
    """Names of all bias parameters of a model, embeddings' norms included (BitFit's set)."""
    return [name for name, _ in body.named_parameters() if name.endswith("bias")]


def norms(body: nn.Module) -> list[str]:
    """Names of all weights and biases of normalisation layers: vectors whose layer is called a norm (`norm`, `ln_1`, `LayerNorm`)."""

    def is_norm(path: str) -> bool:
        layer = path.rpartition(".")[0].rpartition(".")[2].lower()
        return "norm" in layer or layer.startswith("ln_")

    return [name for name, p in body.named_parameters() if p.ndim == 1 and is_norm(name)]


def below_top(body: nn.Module) -> dict[str, int]:
    """How many blocks lie above each parameter: 0 for the top block and what follows it, the number of blocks for embeddings."""
    from torch import nn

    stack = [name for name, _ in blocks(body)]
    encoder = _encoder_of(stack[-1].rpartition(".")[0]).rpartition(".")[0] + "."
    after_encoder = sum(not name.startswith(encoder) for name in stack)
    embeddings = [name for name, m in body.named_modules() if isinstance(m, nn.Embedding) or "embed" in name.lower()]
    found = {}
    for name, _ in body.named_parameters():
        at = next((i for i, block in enumerate(stack) if name.startswith(f"{block}.")), None)
        if at is not None:
            found[name] = len(stack) - 1 - at
        elif any(name.startswith(f"{path}.") for path in embeddings):
            found[name] = len(stack)
        else:
            found[name] = after_encoder if after_encoder < len(stack) and name.startswith(encoder) else 0
    return found


def frozen_below(body: nn.Module, learning: Iterable[str]) -> int:
    """How many of the lowest blocks lie below all of these parameters (names in the body): all where there are none, -1 with embeddings."""
    above = below_top(body)
    return len(blocks(body)) - 1 - max((above[name] for name in learning), default=-1)


def dropouts(body: nn.Module) -> Iterator[tuple[nn.Module, str, float]]:
    """Every dropout of a body, as (module, attribute, share): layers, and the shares that attention keeps as plain numbers."""
    from torch import nn

    for module in body.modules():
        if isinstance(module, nn.Dropout):
            yield module, "p", module.p
        share = getattr(module, "attention_dropout", None)
        if isinstance(share, float):
            yield module, "attention_dropout", share


def last_word(name: str) -> str:
    """The last part of a module's name, in small letters."""
    return name.rsplit(".", 1)[-1].lower()


def _linear(block: nn.Module) -> list[str]:
    from torch import nn

    return [
        inner
        for inner, module in block.named_modules()
        if inner and (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D")
    ]


def _out_width(layer: nn.Module) -> int:
    from torch import nn

    return layer.out_features if isinstance(layer, nn.Linear) else int(layer.nf)  # type: ignore[arg-type]


def _encoder_of(name: str) -> str:
    return ".".join("encoder" if part == "decoder" else part for part in name.split("."))


def _in_attention(name: str) -> bool:
    return any(part in ATTENTION for part in name.lower().split("."))


def _attention_of(name: str) -> str:
    """The path of the attention that a layer belongs to."""
    parts = name.split(".")
    return ".".join(parts[: next(i for i, part in enumerate(parts) if part.lower() in ATTENTION) + 1])
