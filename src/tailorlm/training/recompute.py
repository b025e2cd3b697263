"""What a model keeps of a forward pass: no keys and values for a next token, and with gradient checkpointing only what enters each block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from tailorlm.core.errors import UsageError


def can_recompute(module: nn.Module) -> bool:
    """Whether the model inside can forget and compute again (every transformer of transformers that says so)."""
    return any(_able(inner) for inner in module.modules())


@contextmanager
def recomputing(module: nn.Module) -> Iterator[None]:
    """Inside the block each transformer block of the model is computed again in backward; losses and gradients are the same to the bit.

    One more forward pass: about a third more time. UsageError for a model that cannot. Source: Chen et al. 2016 (arXiv:1604.06174).
    """
    bodies: list[Any] = [inner for inner in module.modules() if _able(inner)]
    if not bodies:
        raise UsageError("this model cannot compute its blocks again in backward", hint="train.recompute: off")
    # The outermost one reaches all blocks inside; PEFT's wrapper is none of transformers' own and is passed over.
    body = bodies[0]
    body.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        body.gradient_checkpointing_disable()


@contextmanager
def without_cache(module: nn.Module) -> Iterator[None]:
    """Inside the block the model keeps no keys and values for generating on: training has no use for them."""
    configs = {id(c): c for m in module.modules() if (c := getattr(m, "config", None)) is not None}
    before = [(config, config.use_cache) for config in configs.values() if getattr(config, "use_cache", None)]
    for config, _ in before:
        config.use_cache = False
    try:
        yield
    finally:
        for config, value in before:
            config.use_cache = value


def _able(module: Any) -> bool:
    return bool(getattr(type(module), "supports_gradient_checkpointing", False))
