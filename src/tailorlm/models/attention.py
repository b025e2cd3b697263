"""Attention functions of ours in transformers' models: how one is put in the place of a model's own, and taken out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

# What models answered with before one of ours came into its place.
_own: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
_ours: set[str] = set()


def use_attention(
    model: nn.Module, name: str, attend: Callable[..., Any], *, over: str | None = None
) -> Callable[[], None] | None:
    """Make the model's attention this function, registered under this name; returns what puts its own back, None where it cannot be chosen.

    attend: of transformers' interface. over: only where that is the model's own attention, whichever of ours stands in its place just now.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel

    if name not in ALL_ATTENTION_FUNCTIONS.valid_keys():
        ALL_ATTENTION_FUNCTIONS.register(name, attend)
        ALL_MASK_ATTENTION_FUNCTIONS.register(name, sdpa_mask)
        _ours.add(name)
    inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    if inner is None or not inner._can_set_attn_implementation():
        return None
    before = inner.config._attn_implementation
    own = _own.get(inner, before) if before in _ours else before
    if over not in (None, own):
        return None
    _own[inner] = own
    inner.set_attn_implementation(name)
    return lambda: inner.set_attn_implementation(before)
