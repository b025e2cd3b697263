"""Losses over a vocabulary at the positions that are learnt, never holding more than a few rows of scores.

The scores of one position are as many numbers as the vocabulary has tokens: for all positions of a batch they outweigh the model. So only
chosen positions are projected, a chunk at a time, and the chunk's gradients are made while its scores are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Numbers of one chunk of scores: 64 MB in float32. Smaller chunks add the weight's gradient up more often.
CHUNK = 1 << 24


@dataclass(frozen=True)
class Scores:
    """How an architecture turns a state into scores: scale x (W h + b), then cap x tanh(scores / cap) where there is a cap (Gemma)."""

    scale: float = 1.0
    cap: float | None = None


def label_losses(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scores: Scores = Scores(), chunk: int = CHUNK
) -> Tensor:
    """Cross-entropy of each position, (positions,), nats, in float32 at least, with gradients.

    states: (positions, width). weight: (vocabulary, width). targets: (positions,) token ids.
    Equal to `torch.nn.functional.cross_entropy(scores, targets, reduction="none")`. torch's own `linear_cross_entropy` projects a second time
    in the backward pass when losses are asked for by position; this one does not.
    """
    rows = max(1, chunk // weight.shape[0])
    found: Tensor = _Losses.apply(states, weight, bias, targets, scores, rows)  # type: ignore[no-untyped-call]
    return found


class _Losses(torch.autograd.Function):
    """Gradients are those of a factor of one on every loss; the real factors come in the backward pass.

    The state's gradient takes any factor afterwards. The weight's is a sum over positions, which takes one common factor; where the
    factors differ it is computed again.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scores: Scores, rows: int
    ) -> Tensor:
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.needs_input_grad[2])
        losses, *gradients = _pass(states, weight, bias, targets, scores, rows, wanted, None)
        ctx.save_for_backward(states, weight, bias, targets)
        ctx.gradients, ctx.scores, ctx.rows = gradients, scores, rows
        return losses

    @staticmethod
    def backward(ctx: Any, factors: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("these losses have been differentiated before")
        states, weight, bias, targets = ctx.saved_tensors
        by_state, by_weight, by_bias = ctx.gradients
        ctx.gradients = None
        if by_state is not None:
            by_state.mul_(factors[:, None])
        if by_weight is not None or by_bias is not None:
            if len(factors) and bool((factors == factors[0]).all()):
                for gradient in (by_weight, by_bias):
                    if gradient is not None and len(factors):
                        gradient.mul_(factors[0])
            else:
                wanted = (False, by_weight is not None, by_bias is not None)
                _, _, by_weight, by_bias = _pass(states, weight, bias, targets, ctx.scores, ctx.rows, wanted, factors)
        return by_state, by_weight, by_bias, None, None, None


def _pass(
    states: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    scores: Scores,
    rows: int,
    wanted: tuple[bool, bool, bool],
    factors: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Losses, and their gradients by state, weight and bias where wanted, chunk by chunk."""
    device = states.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    one_go = weight.dtype == kind and len(states) > 0
    fine = torch.promote_types(kind, torch.float32)
    losses = states.new_empty(len(states), dtype=fine)
    by_state = torch.empty_like(states) if wanted[0] else None
    by_weight = (torch.empty_like if one_go else torch.zeros_like)(weight) if wanted[1] else None
    by_bias = torch.zeros_like(bias) if wanted[2] and bias is not None else None
    with torch.autocast(device, enabled=False):
        matrix, shift = weight.to(kind), None if bias is None else bias.to(kind)
        for start in range(0, len(states), rows):
            part = slice(start, start + rows)
            shown, label = states[part].to(kind), targets[part, None]
            found = _scores(torch.nn.functional.linear(shown, matrix, shift).to(fine), scores)
            own, top = found.gather(1, label), found.amax(1, keepdim=True)
            bend = None if scores.cap is None else 1 - (found / scores.cap) ** 2  # the slope of the cap, from its value
            total = found.sub_(top).exp_().sum(1, keepdim=True)
            losses[part] = (total.log() + top - own).squeeze(1)
            if not any(wanted):
                continue
            slope = found.div_(total).scatter_add_(1, label, found.new_full((len(label), 1), -1.0))
            for factor in (bend, scores.scale, None if factors is None else factors[part, None]):
                if factor is not None and not (isinstance(factor, float) and factor == 1):
                    slope *= factor
            slope = slope.to(kind)
            if by_state is not None:
                by_state[part] = slope @ matrix
            if by_bias is not None:
                by_bias += slope.sum(0)
            if by_weight is not None and one_go:
                by_weight.addmm_(slope.T, shown, beta=0 if start == 0 else 1)
            elif by_weight is not None:
                by_weight += slope.T @ shown
    return losses, by_state, by_weight, by_bias


def _scores(found: Tensor, scores: Scores) -> Tensor:
    # In place: this is the largest tensor there is.
    if scores.scale != 1:
        found *= scores.scale
    if scores.cap is not None:
        found.div_(scores.cap).tanh_().mul_(scores.cap)
    return found
