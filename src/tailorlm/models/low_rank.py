"""LoRA layers at full speed: PEFT's modules and files, one fused product of ours in their forward and backward pass.

PEFT computes W x, then A x, then B (A x), scales that and adds it up: three more tensors as large as the layer's output are written and read
on the way, and two more in the backward pass. Here the low-rank product is added in place to W x, and its gradient in place to W's. The
parameters, their names, saving, loading and merging stay PEFT's own.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn


def fuse(model: nn.Module) -> int:
    """Give every plain LoRA layer of a PEFT model the fused pass; returns how many there are.

    Dropout, DoRA and other variants, several active adapters, quantised bases and merged layers keep PEFT's own pass, decided at every call.
    """
    from peft.tuners.lora.layer import Linear

    layers: list[Any] = [module for module in model.modules() if type(module) is Linear]
    for layer in layers:
        layer.forward = MethodType(_forward, layer)
    return len(layers)


def _forward(layer: Any, x: Tensor, *others: Any, **named: Any) -> Tensor:
    name = layer.active_adapters[0] if len(layer.active_adapters) == 1 else None
    if others or named or not _plain(layer, name):
        found: Tensor = type(layer).forward(layer, x, *others, **named)
        return found
    base = layer.get_base_layer()
    weight = base.weight.T if type(base).__name__ == "Conv1D" else base.weight
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    device = x.device.type
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
        x, weight, down, up = (part.to(kind) for part in (x, weight, down, up))
    elif not x.dtype == weight.dtype == down.dtype:
        found = type(layer).forward(layer, x)
        return found
    bias = None if base.bias is None else base.bias.to(x.dtype)
    found = _Fused.apply(x, weight, bias, down, up, layer.scaling[name])  # type: ignore[no-untyped-call]
    return found


def _plain(layer: Any, name: str | None) -> bool:
    base = layer.get_base_layer()
    return (
        name in layer.lora_A
        and name not in layer.lora_variant
        and not (layer.merged or layer.disable_adapters or layer.lora_bias[name])
        and not (layer.training and getattr(layer.lora_dropout[name], "p", 0.0) > 0)
        and (type(base) is nn.Linear or type(base).__name__ == "Conv1D")
        and not (base.weight.requires_grad or base._forward_hooks or base._forward_pre_hooks)
    )


class _Fused(torch.autograd.Function):
    """W x + bias + scale B (A x), with gradients by x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            flat = x.reshape(-1, x.shape[-1])
            inner = flat @ down.T
            found = nn.functional.linear(flat, weight, bias).addmm_(inner, up.T, alpha=scale)
        ctx.save_for_backward(flat, weight, down, up, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return found.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, down, up, inner = ctx.saved_tensors
        with torch.autocast(slope.device.type, enabled=False):
            slope = slope.reshape(-1, slope.shape[-1])
            through = (slope @ up).mul_(ctx.scale)
            by_x = None
            if ctx.needs_input_grad[0]:
                by_x = (slope @ weight).addmm_(through, down).view(ctx.shape)
            by_up = (slope.T @ inner).mul_(ctx.scale) if ctx.needs_input_grad[4] else None
            by_down = through.T @ flat if ctx.needs_input_grad[3] else None
        return by_x, None, None, by_down, by_up, None
