"""Frozen weights in 16 bits while products are computed in bfloat16: half the memory, and no cast at every use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def in_bfloat16(module: nn.Module, trainable: Collection[str]) -> Iterator[int]:
    """Inside the block frozen weights of linear layers are stored in bfloat16, where that loses no bit; yields how many bytes it saves.

    Autocast casts them at every product anyway, so nothing changes but speed and memory. Most published models were trained in bfloat16, and
    their weights come back from it unchanged; those of others stay as they are, so that afterwards every frozen tensor is bit-equal.
    """
    learning = {id(p) for name, p in module.named_parameters() if name in set(trainable)}
    uses: dict[int, int] = {}
    for inner in module.modules():
        for parameter in inner.parameters(recurse=False):
            uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    stored = [
        layer.weight
        for layer in module.modules()
        if isinstance(layer, nn.Linear) and id(layer.weight) not in learning and uses[id(layer.weight)] == 1
        if layer.weight.dtype == torch.float32 and _lossless(layer.weight.data)
    ]
    for weight in stored:
        weight.data = weight.data.bfloat16()
    try:
        yield 2 * sum(weight.numel() for weight in stored)
    finally:
        for weight in stored:
            weight.data = weight.data.float()


def _lossless(weight: torch.Tensor) -> bool:
    return bool(torch.equal(weight.bfloat16().float(), weight))
