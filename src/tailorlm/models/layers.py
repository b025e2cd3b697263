"""Finding a transformer's layers by role, for any architecture.

Roles are read off the structure (the stack of blocks) and the names the field uses for projections, never off a
table of model types. Sources: the `transformers` 5 modelling files of BERT, RoBERTa, DistilBERT, ModernBERT, Llama,
Qwen, GPT-2, GPT-J and T5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from torch import nn

QUERY_VALUE = {"query", "q_proj", "q_lin", "q", "value", "v_proj", "v_lin", "v"}
FUSED = {"c_attn", "query_key_value", "qkv_proj", "wqkv", "qkv"}


def blocks(body: nn.Module) -> list[tuple[str, nn.Module]]:
    """The transformer blocks of a model in order, as (name, module).

    The stack is the ModuleList with the most parameters. Raises TailorError when the model has none.
    """
    from torch import nn

    stacks = [
        (name, module) for name, module in body.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    ]
    if not stacks:
        raise TailorError("this model has no stack of transformer blocks", got=type(body).__name__)
    name, stack = max(stacks, key=lambda item: sum(p.numel() for p in item[1].parameters()))
    return [(f"{name}.{i}", block) for i, block in enumerate(stack)]


def projections(body: nn.Module, which: str) -> list[str]:
    """Names of the linear projections inside the blocks.

    which: `query_value` (as in the LoRA paper), `attention`, `mlp` or `all`. GPT-2's transposed Conv1D counts as linear.
    """
    linear = [
        f"{name}.{inner}"
        for name, block in blocks(body)
        for inner, module in block.named_modules()
        if inner and type(module).__name__ in {"Linear", "Conv1D", "NonDynamicallyQuantizableLinear"}
    ]
    chosen = {
        "all": linear,
        "attention": [n for n in linear if _in_attention(n)],
        "mlp": [n for n in linear if not _in_attention(n)],
        "query_value": [n for n in linear if _in_attention(n) and n.rsplit(".", 1)[1].lower() in QUERY_VALUE | FUSED],
    }[which]
    if not chosen:
        raise TailorError(
            f"this model has no linear layers in the role '{which}'", got=type(body).__name__, hint="targets: all"
        )
    return chosen


def biases(body: nn.Module) -> list[str]:
    """Names of all bias parameters of a model, embeddings' norms included (BitFit's set)."""
    return [name for name, _ in body.named_parameters() if name.endswith("bias")]


def below_top(body: nn.Module) -> dict[str, int]:
    """How many blocks lie above each parameter: 0 for the top block and what follows it, the number of blocks for embeddings."""
    from torch import nn

    stack = [name for name, _ in blocks(body)]
    embeddings = [name for name, m in body.named_modules() if isinstance(m, nn.Embedding) or "embed" in name.lower()]
    found = {}
    for name, _ in body.named_parameters():
        at = next((i for i, block in enumerate(stack) if name.startswith(f"{block}.")), None)
        first = any(name.startswith(f"{path}.") for path in embeddings)
        found[name] = len(stack) - 1 - at if at is not None else len(stack) if first else 0
    return found


def _in_attention(name: str) -> bool:
    return any(
        part in {"attention", "attn", "self_attn", "self", "selfattention", "encdecattention"}
        for part in name.lower().split(".")
    )
