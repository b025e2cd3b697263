"""Rows that are written together look back only as far as they reach: a short row beside a long one reads no columns that it does not have.

`attend` is an attention function in transformers' sense. Inside `within` a step of one token a row is answered in groups of rows; any other
pass is answered as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from tailorlm.models.attention import use_attention

NAME = "tailorlm_reach"
# Rows of a group. Fewer look at less that is not theirs, and cost more calls.
GROUP = 8

_reaches: ContextVar[tuple[tuple[slice, int], ...]] = ContextVar("reaches", default=())


@contextmanager
def reaching(body: nn.Module) -> Iterator[None]:
    """Inside the block the attention of a model on a processor is the one of this module, where transformers lets it be chosen.

    On a GPU one call over all columns is faster than several over fewer.
    """
    on_cpu = next(body.parameters()).device.type == "cpu"
    restore = use_attention(body, NAME, attend, over="sdpa") if on_cpu else None
    try:
        yield
    finally:
        if restore is not None:
            restore()


@contextmanager
def within(lengths: Sequence[int]) -> Iterator[None]:
    """Inside the block row i of a step sees its first `lengths[i]` columns; its mask hides the others anyway."""
    groups = [slice(at, min(at + GROUP, len(lengths))) for at in range(0, len(lengths), GROUP)]
    reaches = tuple((rows, max(lengths[rows])) for rows in groups)
    token = _reaches.set(reaches if len({reach for _, reach in reaches}) > 1 else ())
    try:
        yield
    finally:
        _reaches.reset(token)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *args: Any,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' interface: query, key, value (rows, heads, tokens, width); returns (rows, tokens, heads, width)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    reaches = _reaches.get()
    if not reaches or attention_mask is None or len(attention_mask) != len(query) or query.shape[2] != 1:
        found: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, *args, **others)[0]
        return found, None
    parts = [
        sdpa_attention_forward(
            module,
            query[rows],
            key[rows, :, :reach],
            value[rows, :, :reach],
            attention_mask[rows, ..., :reach],
            *args,
            **others,
        )[0]
        for rows, reach in reaches
    ]
    return torch.cat(parts), None
