"""Many rows as one sequence in which no row sees another: nothing is padded, and attention across rows is never computed.

`attend` is an attention function in transformers' sense, registered under `NAME`. A forward pass that names `row_lengths` is packed: each
row attends within itself alone. Any other pass is answered as before, so that the same model still generates and predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.attention import use_attention

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
    return use_attention(model, NAME, attend)


def windows_of(body: Any) -> int:
    """Attention layers that look back over a window alone, as the configuration tells; -1 where it names kinds that are unknown here."""
    config = body.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        used = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
        return int(config.num_hidden_layers) if used else 0
    if set(kinds) - {"full_attention", "sliding_attention"}:
        return -1
    return list(kinds).count("sliding_attention")


def first_position(body: nn.Module) -> int:
    """The position of a row's first token: RoBERTa, MPNet and their kin count from behind the padding index."""
    for name, module in body.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


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
    runs = [(length, len(list(same))) for length, same in groupby(lengths)]
    sizes = [length * count for length, count in runs]
    parts = zip(*(part.split(sizes, 2) for part in (query, key, value)), strict=True)  # type: ignore[no-untyped-call]
    found = [_rows(q, k, v, count, how) for (_, count), (q, k, v) in zip(runs, parts, strict=True)]
    return torch.cat(found, 1), None


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


def _rows(q: Tensor, k: Tensor, v: Tensor, count: int, how: _How) -> Tensor:
    """Attention of so many rows of one length: (1, heads, tokens, width) each; returns (1, tokens, heads, width)."""
    q, k, v = (part[0].reshape(len(part[0]), count, -1, part.shape[-1]).transpose(0, 1) for part in (q, k, v))
    return _alike(q, k, v, how).flatten(0, 1)[None]


def _alike(q: Tensor, k: Tensor, v: Tensor, how: _How) -> Tensor:
    """Attention of rows of one length: (rows, heads, tokens, width) each; returns (rows, tokens, heads, width)."""
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
    if mask is not None:  # what may be seen, or what is added to the scores
        hidden = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask, hidden) if mask.dtype == torch.bool else scores + mask
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
