"""The forecast of memory and speed: the heaviest part of the run is computed once before the first step, and measured.

A forecast by formula (weights, gradients, optimiser, activations) was 65 to 98% of the true peak (docs/log.md). So what forward and backward hold is
measured, on the rows that need most, with the gradients there; what the optimiser will keep is added by its own rule.
No parameter changes and no chance is spent: the run is the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tailorlm.core.memory import PeakMemory, obtainable, resident
from tailorlm.models.arithmetic import computing
from tailorlm.training.checkpoint import random_states, restore_random
from tailorlm.training.memory import give_back, out_of_memory

if TYPE_CHECKING:
    from tailorlm.training.loop import Run

# Runs shorter than this are over sooner than a forecast is of use.
STEPS, TOKENS = 200, 200_000


@dataclass(frozen=True)
class Forecast:
    """What a run will need at its highest, in bytes: `peak`, of which `held` was there before and `state` the optimiser will keep;
    `available`: what there is.

    operations: floating point operations of matrix products for a token that is no padding, forward and backward.
    """

    peak: int
    held: int
    state: int
    available: int
    operations: float

    @property
    def short(self) -> bool:
        """Whether memory will not suffice."""
        return self.peak > self.available

    def event(self) -> dict[str, Any]:
        """As an event."""
        return {"event": "forecast"} | asdict(self)


def worth_a_forecast(run: Run) -> bool:
    """Whether the run is long enough for a forecast to cost next to nothing, or weights and optimiser alone need half of the memory."""
    learning = list(run.learning.values())
    long = run.total >= STEPS and sum(run.job.lesson.lengths) * run.job.settings.epochs >= TOKENS
    sure = resident() + 4 * sum(p.numel() for p in learning) + state_bytes(run)
    return long or (run.device.type == "cpu" and 2 * sure > obtainable())


def forecast_of(run: Run) -> Forecast | None:
    """The forecast for what is left of a run; None where memory was short already."""
    lengths = run.job.lesson.lengths

    def cut(step: Sequence[int]) -> list[list[int]]:
        padded = run.job.lesson.padded
        return [part for part, _ in run.group.parts(step, lengths, run.micro, padded=padded)]

    steps = run.order.steps(run.epoch)
    parts = telling(steps, lengths, cut)
    compute = [partial(run.job.lesson.losses, part) for part in parts]
    learning, module = list(run.learning.values()), run.job.lesson.module
    try:
        with computing(run.result.computed_in, run.device):
            operations = _operations(module, compute[1], learning) / sum(lengths[i] for i in parts[1]) if parts else 0.0
            module.train()
            several = any(len(cut(step)) > 1 for step in steps[:8])
            return rehearse(compute, learning, accumulates=several, state=state_bytes(run), operations=operations)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return None


def telling(
    steps: Sequence[Sequence[int]], lengths: Sequence[int], cut: Callable[[Sequence[int]], list[list[int]]]
) -> list[list[int]]:
    """The parts that tell how much memory a run needs: the one with most rows, one as any other, and last the heaviest (by padded tokens,
    attention's square with a share).

    Three, because an allocator that has given out other sizes before needs more. cut: gives the parts of a step. Only the steps with
    the longest rows, with most tokens and with most rows are cut, so that it is quick for any number.
    """
    by_longest = sorted(steps, key=lambda step: -max(lengths[i] for i in step))[:4]
    by_tokens = sorted(steps, key=lambda step: -sum(lengths[i] for i in step))[:4]
    parts = [part for step in [*by_longest, *by_tokens] for part in cut(step)]
    short = min(steps, key=lambda step: sum(lengths[i] for i in step) / len(step))
    others = [part for step in (short, steps[len(steps) // 2]) for part in cut(step)]

    def weight(part: list[int]) -> int:
        longest = max(lengths[i] for i in part)
        return len(part) * longest * (512 + longest)

    return [max([*parts, *others], key=len), others[-1], max(parts, key=weight)] if parts and others else []


def rehearse(
    compute: Sequence[Callable[[], Tensor]],
    learning: Sequence[nn.Parameter],
    *,
    accumulates: bool,
    state: int,
    operations: float,
) -> Forecast:
    """Compute some parts' losses and gradients once, and measure.

    compute: each gives the losses of a part. accumulates: whether steps have several parts, so that gradients are held while a part is computed.
    state: bytes that the optimiser will keep. operations: of a token. What torch raises when memory is short comes through.
    """
    device = learning[0].device
    random = random_states(device)
    for parameter in learning:
        parameter.grad = torch.zeros_like(parameter) if accumulates else None
    try:
        if device.type == "cuda":
            held, available = torch.cuda.memory_allocated(device), _obtainable(device)
            torch.cuda.reset_peak_memory_stats(device)
            _all(compute)
            peak = int(torch.cuda.max_memory_allocated(device))
        else:
            give_back()  # what an earlier rehearsal left with the process counts as free
            available = obtainable()
            with PeakMemory() as before:
                pass
            held = before.bytes
            with PeakMemory() as high:
                _all(compute)
            peak = high.bytes
    finally:
        for parameter in learning:
            parameter.grad = None
        restore_random(random, device)
    return Forecast(peak + state, held, state, available, operations)


def _all(compute: Sequence[Callable[[], Tensor]]) -> None:
    for losses in compute:
        losses().sum().backward()  # type: ignore[no-untyped-call]


def _operations(module: nn.Module, losses: Callable[[], Tensor], learning: Sequence[nn.Parameter]) -> float:
    """Operations that a part asks for, counted with the model at rest, so that blocks computed again do not count twice."""
    from torch.utils.flop_counter import FlopCounterMode

    device = learning[0].device
    random = random_states(device)
    module.eval()
    with FlopCounterMode(display=False) as counter:
        losses().sum().backward()  # type: ignore[no-untyped-call]
    for parameter in learning:
        parameter.grad = None
    restore_random(random, device)
    return float(counter.get_total_flops())


def _obtainable(device: torch.device) -> int:
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device))


def state_bytes(run: Run) -> int:
    """Bytes that the optimiser will keep: by its part's own rule, else 8 a number, as AdamW."""
    if run.optimiser.state:  # gone on with: it is there already
        return 0
    rule = getattr(run.job.settings.optimiser.make(), "state_bytes", None)
    sizes = [tuple(_local(parameter).shape) for parameter in run.learning.values()]
    return sum(rule(size) if rule else 8 * math.prod(size) for size in sizes)


def _local(parameter: Tensor) -> Tensor:
    local = getattr(parameter, "to_local", None)
    return local() if local is not None else parameter
