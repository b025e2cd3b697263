"""Many rows as one sequence in which no row sees another: nothing is padded, and attention across rows is never computed.

`attend` is an attention function in transformers' sense, registered under `NAME`. A forward pass that names `row_lengths` is packed: each
row attends within itself alone. Any other pass is answered as before, so that the same model still generates and predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

NAME = "tailorlm_rows"
# What other architectures hand to their attention and this one does not know; a value under such a name would be ignored.
UNKNOWN = ("position_bias", "s_aux", "cache", "sinks")
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Packed:
    """Rows one behind the other. ids, positions: (1, tokens), positions counted anew in each row. lengths: tokens a row."""

    ids: Tensor
    positions: Tensor
    lengths: tuple[int, ...]

    @property
    def inputs(self) -> dict[str, Any]:
        """What a transformers model is called with."""
        # A mask of four dimensions is passed on as it is; without one a dense mask of tokens x tokens would be made from the positions.
        mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=self.ids.device)
        return {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "attention_mask": mask,
            "row_lengths": self.lengths,
        }


def pack(rows: Sequence[np.ndarray], device: torch.device, *, first: int = 0) -> Packed:
    """rows: token ids, (tokens,) each, none empty. first: the position of a row's first token (RoBERTa counts from behind its padding)."""
    lengths = np.array([len(row) for row in rows])
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(lengths.sum()) - np.repeat(starts, lengths) + first
    ids = torch.from_numpy(np.concatenate(rows).astype(np.int64))
    return Packed(
        ids[None].to(device), torch.from_numpy(positions.astype(np.int64))[None].to(device), tuple(lengths.tolist())
    )


def use_packed_attention(model: nn.Module) -> Callable[[], None] | None:
    """Make the model's attention the one of this module; returns what puts its own back, None where it cannot be chosen."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel

    if NAME not in ALL_ATTENTION_FUNCTIONS.valid_keys():
        ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
        ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
    inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    if inner is None or not inner._can_set_attn_implementation():
        return None
    before = inner.config._attn_implementation
    inner.set_attn_implementation(NAME)
    return lambda: inner.set_attn_implementation(before)


@contextmanager
def windows_seen() -> Iterator[WindowCount]:
    """Inside the block the packed attention layers that were told of a window are counted."""
    _counting.append(WindowCount())
    try:
        yield _counting[-1]
    finally:
        _counting.pop()


@dataclass
class WindowCount:
    """Attention layers with a window that a packed pass went through."""

    layers: int = 0


_counting: list[WindowCount] = []


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' interface: query, key, value (batch, heads, tokens, width); returns (batch, tokens, heads, width).

    Of the `others`, `row_lengths` makes the pass a packed one: each row sees itself alone, at most `sliding_window` tokens back; `softcap` is
    Gemma 2's bound on the scores. Raises NotImplementedError for what it does not know of an architecture, which is then run padded.
    """
    lengths, cap, window = others.pop("row_lengths", None), others.pop("softcap", None), others.get("sliding_window")
    causal = others.get("is_causal")
    causal = bool(causal if causal is not None else getattr(module, "is_causal", True))
    how = _How(query.shape[-1] ** -0.5 if scaling is None else scaling, dropout, causal, window, cap)
    if lengths is None:
        return _as_before(module, (query, key, value), attention_mask, how, others), None
    odd = [name for name in UNKNOWN if others.get(name) is not None]
    if odd or key.shape[2] != query.shape[2] or sum(lengths) != query.shape[2]:
        raise NotImplementedError(f"packed attention with {odd or 'keys of other rows'}")
    if _counting and window is not None:
        _counting[-1].layers += 1
    if query.is_cuda and query.dtype in HALF and cap is None and dropout == 0:
        return _flash(query, key, value, lengths, how), None
    rows = zip(*(part.split(list(lengths), 2) for part in (query, key, value)), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat([_row(q, k, v, how) for q, k, v in rows], 1), None


@dataclass(frozen=True)
class _How:
    """What an architecture asks of its attention: factor on the scores, dropout, direction, window, bound on the scores."""

    scaling: float
    dropout: float
    causal: bool
    window: int | None
    cap: float | None

    def mask(self, length: int, device: torch.device) -> Tensor:
        """Which keys each query of a row may see, (length, length)."""
        place = torch.arange(length, device=device)
        back = place[:, None] - place[None, :]
        span = length if self.window is None else min(length, self.window)
        return (back >= 0) & (back < span) if self.causal else back.abs() < span


def _row(q: Tensor, k: Tensor, v: Tensor, how: _How) -> Tensor:
    """Attention of one row: (1, heads, tokens, width) each; returns (1, tokens, heads, width)."""
    length = q.shape[2]
    narrow = how.window is not None and length > how.window
    if how.cap is not None:
        mask = how.mask(length, q.device) if narrow or how.causal else None
        return _capped(q, k, v, mask, how).transpose(1, 2)
    found = nn.functional.scaled_dot_product_attention(
        q,
        k,
        v,
        how.mask(length, q.device) if narrow else None,
        how.dropout,
        how.causal and not narrow,
        scale=how.scaling,
        enable_gqa=q.shape[1] != k.shape[1],
    )
    return found.transpose(1, 2)


def _capped(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, how: _How) -> Tensor:
    assert how.cap is not None
    repeat = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    scores = how.cap * torch.tanh(torch.matmul(q, k.transpose(2, 3)) * (how.scaling / how.cap))
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype)
    return torch.matmul(nn.functional.dropout(weights, how.dropout), v)


def _flash(query: Tensor, key: Tensor, value: Tensor, lengths: tuple[int, ...], how: _How) -> Tensor:
    """One kernel over all rows (torch's own flash attention; CUDA, 16 bit)."""
    from torch.nn.attention.varlen import varlen_attn

    borders = torch.tensor([0, *np.cumsum(lengths).tolist()], dtype=torch.int32, device=query.device)
    back = -1 if how.window is None else how.window - 1
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    found = varlen_attn(
        q,
        k,
        v,
        borders,
        borders,
        max(lengths),
        max(lengths),
        scale=how.scaling,
        window_size=(back, 0 if how.causal else back),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(found, Tensor)
    return found[None]


def _as_before(
    module: nn.Module, states: tuple[Tensor, Tensor, Tensor], mask: Tensor | None, how: _How, others: dict[str, Any]
) -> Tensor:
    """What transformers' own attention answers; it refuses a bound on the scores, which is done here."""
    if how.cap is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: Tensor = sdpa_attention_forward(module, *states, mask, how.dropout, how.scaling, **others)[0]
        return found
    if mask is None and how.causal and states[0].shape[2] > 1:
        mask = how.mask(states[0].shape[2], states[0].device)
    return _capped(*states, mask, how).transpose(1, 2).contiguous()
