"""Several processes that share the weights out among them: torch's `fully_shard` (FSDP 2) on every block of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from tailorlm.core.errors import TailorError
from tailorlm.models.layers import blocks
from tailorlm.training.order import micro_batches
from tailorlm.training.processes import Copies


class Shards(Copies):
    """Every process keeps its share of each block's weights, gradients and optimiser state; a block is put together while it computes.

    What lies outside the blocks (embeddings, norms, heads) stays whole on every process, so that lessons may use it as they like. Choose it
    where weights, gradients and optimiser do not fit on one device (16 bytes a parameter with AdamW); `copies` sends less.
    Source: Zhao et al. 2023 (arXiv:2304.11277); torch's own. An optimiser must work element by element (`adamw`, `lion`, `sgd`).
    """

    @contextmanager
    def spread(self, module: nn.Module) -> Iterator[None]:
        """Inside the block the parameters of the model's blocks are shared out; afterwards they are whole again, in the same objects."""
        stack = [block for _, block in blocks(module)]
        kept = [_Kept(block) for block in stack]
        for block in stack:
            _shard(block)
        for one in kept:
            one.empty()
        try:
            yield
        finally:
            for one in kept:
                one.restore()

    def parts(
        self, index: Sequence[int], lengths: Sequence[int], budget: int, *, padded: bool = True
    ) -> list[tuple[list[int], float]]:
        """The parts of this process's share; as many on every process, since blocks are put together by all at once.

        A process with fewer computes a part again, with weight 0.
        """
        shares = [micro_batches(share, lengths, budget, padded=padded) if share else [] for share in self.shares(index)]
        mine = [(part, 1.0) for part in shares[self.rank]]
        empty = [index[-1]]
        return mine + [(empty, 0.0)] * (max(map(len, shares)) - len(mine))

    def add_gradients(self, learning: Sequence[nn.Parameter]) -> None:
        """Sum the gradients of what is whole; those of shards were summed as they arose."""
        super().add_gradients([p for p in learning if not isinstance(p, DTensor)])

    def clip(self, learning: Sequence[nn.Parameter], longest: float) -> Tensor:
        """Scale the gradients down to a length of at most `longest`, over all processes' shards."""
        given = [p.grad for p in learning if p.grad is not None]
        shards = [g.to_local() for g in given if isinstance(g, DTensor)]
        device = learning[0].device
        squares = self._sum(_squares(shards, device)) + _squares(
            [g for g in given if not isinstance(g, DTensor)], device
        )
        length = squares.sqrt()
        scale = (longest / (length + 1e-6)).clamp(max=1.0)
        for gradient in given:
            local = gradient.to_local() if isinstance(gradient, DTensor) else gradient
            local.mul_(scale)
        return length

    def whole(self, tensor: Tensor) -> Tensor:
        """All of a tensor; empty on other processes than the first."""
        if not isinstance(tensor, DTensor):
            return tensor
        full: Tensor = tensor.full_tensor()
        return full.cpu() if self.first else full.new_zeros(0)

    def like(self, parameter: Tensor, value: Tensor) -> Tensor:
        """The value, shared out as this parameter is."""
        if not isinstance(parameter, DTensor) or isinstance(value, DTensor):
            return value.to(parameter.device)
        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)


def _shard(block: nn.Module) -> None:
    from torch.distributed.fsdp import FSDPModule, fully_shard

    fully_shard(block, reshard_after_forward=True)
    assert isinstance(block, FSDPModule)
    # Losses are divided by the labels of the whole step already: gradients are summed, not averaged.
    block.set_gradient_divide_factor(1.0)
    block.set_force_sum_reduction_for_comms(True)
    # Once here, so that what is allocated for it can take part in backward even if the first pass is a validation.
    block.unshard()
    block.reshard()


def _squares(gradients: Sequence[Tensor], device: torch.device) -> Tensor:
    total = torch.zeros((), dtype=torch.float64, device=device)
    for gradient in gradients:
        total += gradient.double().square().sum()
    return total.float()


class _Kept:
    """A block as it was before it was shared out. torch has no way back from `fully_shard`, so the module's own books are kept."""

    def __init__(self, block: nn.Module):
        self.block = block
        self.books = [(module, type(module), _copied(vars(module))) for module in block.modules()]
        self.values = [p.data for p in block.parameters()]

    def empty(self) -> None:
        """Let go of the whole weights: from now on the shards are the truth."""
        for _, _, books in self.books:
            for parameter in books["_parameters"].values():
                if parameter is not None:
                    parameter.data = parameter.data.new_zeros(0)
        self.values = []

    def restore(self) -> None:
        """Put the weights together again and make the block what it was, in the same parameter objects."""
        from torch.distributed._composable_state import _module_state_mapping

        self.block.reshard()  # type: ignore[operator]
        found = {name: _full(p) for name, p in self.block.named_parameters()}
        for module, kind, books in self.books:
            vars(module).clear()
            vars(module).update(books)
            module.__class__ = kind
            _module_state_mapping.pop(module, None)
        for name, parameter in self.block.named_parameters():
            if name not in found:
                raise TailorError(f"the parameter '{name}' was lost when the model was put together again")
            parameter.data = found[name]


def _copied(books: dict[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, dict) else value for name, value in books.items()}


def _full(parameter: Tensor) -> Tensor:
    value: Tensor = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
    return value.detach()
