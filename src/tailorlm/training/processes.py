"""The seam between the loop and the processes that run the same job beside it.

Every process holds all rows and runs the same loop. Of each step a process computes its share of the rows; losses and gradients are summed
over all processes, so that the step is the one that a single process would have made. The first process alone speaks and writes.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.training.order import micro_batches

Value = TypeVar("Value")
# Gradients are summed in pieces of this many numbers, so that the copies that are sent stay small.
PIECE = 1 << 24


@dataclass(frozen=True)
class Report:
    """What became of a step: `losses` of its rows, their sum `total`; whether memory was `short`, somebody asked to `stop`, or
    a checkpoint is `due`."""

    total: float = 0.0
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    short: bool = False
    stop: bool = False
    due: bool = False


class Alone:
    """One process: nothing is cut and nothing is sent."""

    rank, count = 0, 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    @contextmanager
    def spread(self, module: nn.Module) -> Iterator[None]:
        """Inside the block the module's parameters lie as this way of training wants them."""
        yield

    def agree(self, identity: Mapping[str, Any]) -> None:
        """TailorError unless all processes are about to run the same job."""

    def alike(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's numbers: a head that each computed for itself may differ in its last bits."""

    def parts(
        self, index: Sequence[int], lengths: Sequence[int], budget: int, *, padded: bool = True
    ) -> list[tuple[list[int], float]]:
        """The parts of a step that this process computes, each with the weight that its losses have."""
        return [(part, 1.0) for part in micro_batches(index, lengths, budget, padded=padded)]

    def chance(self, *place: int) -> None:
        """Set the random generators for a place of the run (seed, step, part); one process lets them run on."""

    def exchange(self, index: Sequence[int], mine: Report, device: torch.device) -> Report:
        """The report over all processes; the losses come in the order of `index`."""
        return mine

    def add_gradients(self, learning: Sequence[nn.Parameter]) -> None:
        """Sum the gradients over all processes."""

    def clip(self, learning: Sequence[nn.Parameter], longest: float) -> Tensor:
        """Scale the gradients down to a length of at most `longest`; returns the length that they had."""
        return nn.utils.clip_grad_norm_(learning, longest)

    def same(self, value: Value) -> Value:
        """The first process's value, on all."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether it is so on any process."""
        return flag

    def whole(self, tensor: Tensor) -> Tensor:
        """All of a tensor that may lie spread over processes; on other processes than the first it may be empty."""
        return tensor

    def like(self, parameter: Tensor, value: Tensor) -> Tensor:
        """The value, lying as this parameter (or a state of its shape) lies."""
        return value.to(parameter.device)


class Copies(Alone):
    """Several processes, each with all weights: gradients are summed once a step.

    The rows of a step are dealt out by length (first, second, second, first, ...), so that all have about the same to do. Unlike torch's
    DistributedDataParallel it needs no forward pass of its own, and a process may have fewer parts than another, or none.
    Dropout differs from that of one process, and is the same in every run on so many processes.
    """

    def __init__(self, rank: int, count: int):
        self.rank, self.count = rank, count

    def agree(self, identity: Mapping[str, Any]) -> None:
        """TailorError unless all processes are about to run the same job."""
        from torch import distributed

        told = {k: hashlib.sha256(json.dumps(v, sort_keys=True).encode()).hexdigest() for k, v in identity.items()}
        every: list[Any] = [None] * self.count
        distributed.all_gather_object(every, told)
        differing = sorted({k for other in every for k in {*told, *other} if every[0].get(k) != other.get(k)})
        if differing:
            raise TailorError(
                f"the {self.count} processes are about to train different things",
                got=f"other {', '.join(differing)}",
                hint="every machine needs the same rows, recipe and base model",
            )

    def alike(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's numbers."""
        from torch import distributed

        for tensor in tensors:
            distributed.broadcast(tensor.data, src=0)

    def parts(
        self, index: Sequence[int], lengths: Sequence[int], budget: int, *, padded: bool = True
    ) -> list[tuple[list[int], float]]:
        """The parts of this process's share of a step."""
        share = self.shares(index)[self.rank]
        return [(part, 1.0) for part in micro_batches(share, lengths, budget, padded=padded)] if share else []

    def shares(self, index: Sequence[int]) -> list[list[int]]:
        """The rows of a step, dealt out to all processes there and back."""
        return [[index[i] for i in self._places(len(index), rank)] for rank in range(self.count)]

    def _places(self, rows: int, rank: int) -> list[int]:
        """Where a process's rows stand in a step of so many; a step of draws may hold one row twice."""
        turn = [*range(self.count), *reversed(range(self.count))]
        return [i for i in range(rows) if turn[i % len(turn)] == rank]

    def chance(self, *place: int) -> None:
        """Set the generators by the place in the run and the process, so that a run that goes on needs no other process's state."""
        torch.manual_seed(int(np.random.SeedSequence([*place, self.rank]).generate_state(1, np.uint64)[0] >> 1))

    def exchange(self, index: Sequence[int], mine: Report, device: torch.device) -> Report:
        """The report over all processes, by one sum."""
        sent = np.zeros(4 + len(index))
        sent[:4] = mine.total, mine.short, mine.stop, mine.due
        if not mine.short:
            sent[[4 + place for place in self._places(len(index), self.rank)]] = mine.losses
        heard = self._sum(torch.from_numpy(sent).to(device)).cpu().numpy()
        return replace(
            mine,
            total=float(heard[0]),
            losses=heard[4:].astype(np.float32),
            short=bool(heard[1]),
            stop=bool(heard[2]),
            due=bool(heard[3]),
        )

    def add_gradients(self, learning: Sequence[nn.Parameter]) -> None:
        """Sum the gradients over all processes; a parameter without one anywhere keeps none."""
        if not learning:
            return
        device = learning[0].device
        has = torch.tensor([p.grad is not None for p in learning], dtype=torch.float32, device=device)
        wanted = [p for p, there in zip(learning, self._sum(has).tolist(), strict=True) if there]
        for piece in _pieces(wanted):
            gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in piece]
            flat = self._sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            at = 0
            for parameter, gradient in zip(piece, gradients, strict=True):
                parameter.grad = gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
                at += gradient.numel()

    def same(self, value: Value) -> Value:
        """The first process's value, on all."""
        from torch import distributed

        box = [value if self.first else None]
        distributed.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def any(self, flag: bool) -> bool:
        """Whether it is so on any process."""
        from torch import distributed

        every: list[Any] = [None] * self.count
        distributed.all_gather_object(every, flag)
        return any(every)

    def _sum(self, tensor: Tensor) -> Tensor:
        from torch import distributed

        distributed.all_reduce(tensor)
        return tensor


def _pieces(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    piece: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if piece and (size + parameter.numel() > PIECE or parameter.dtype != piece[0].dtype):
            yield piece
            piece, size = [], 0
        piece.append(parameter)
        size += parameter.numel()
    if piece:
        yield piece


def join() -> tuple[int, int]:
    """This process's rank and how many there are, as `torchrun` or `accelerate launch` started them; connects them when first called.

    Call it before a model is loaded, so that each process takes its own GPU. UsageError for what is not supported.
    """
    from tailorlm.core.machine import processes

    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        raise UsageError(
            "DeepSpeed is not supported",
            got="accelerate launch with use_deepspeed",
            hint="accelerate launch --use_fsdp --fsdp_version 2 spreads weights and optimiser over the GPUs as well (ZeRO 3)",
        )
    rank, count = processes()
    if count > 1:
        from accelerate import PartialState

        fresh = not torch.distributed.is_initialized()
        state = PartialState(cpu=not torch.cuda.is_available())
        if fresh:
            atexit.register(state.destroy_process_group)
        if state.num_processes != count:
            raise TailorError(f"{count} processes were started", got=f"{state.num_processes} of them are connected")
    return rank, count


def group_for(sharding: str) -> Alone:
    """How this job's processes work together. sharding: `copies`, `shards`, or `auto`, which does as `accelerate launch` was told."""
    rank, count = join()
    if count == 1:
        return Alone()
    told = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    if sharding == "shards" or (sharding == "auto" and told):
        from tailorlm.training.shards import Shards

        return Shards(rank, count)
    return Copies(rank, count)
