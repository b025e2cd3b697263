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
from tailorlm.training.speed import gain_of_bfloat16

if TYPE_CHECKING:
    from tailorlm.training.loop import Run

# Runs shorter than this are over sooner than a forecast is of use.
STEPS, TOKENS = 200, 200_000


@dataclass(frozen=True)
class Forecast:
    """What a run will need at its highest, in bytes: `peak`, of which `held` was there before and `state` the optimiser will keep;
    `available`: what there is."""

    peak: int
    held: int
    state: int
    available: int

    @property
    def short(self) -> bool:
        """Whether memory will not suffice."""
        return self.peak > self.available

    def event(self) -> dict[str, Any]:
        """As an event."""
        return {"event": "forecast"} | asdict(self)


@dataclass(frozen=True)
class Needs:
    """What a run takes whatever its rows are, in bytes: `weights` of the model, `gradients`, what the `optimiser` will keep; and with what this
    program held before (`least`), of what there is (`available`).

    device: `cpu` or `cuda`. exact: whether float32 was asked for; bfloat16: how many times as fast products would be in that, where it was and
    that is known.
    """

    weights: int
    gradients: int
    optimiser: int
    least: int
    available: int
    device: str = "cpu"
    exact: bool = False
    bfloat16: float | None = None

    @classmethod
    def of(cls, run: Run) -> Needs:
        """Known before the first step."""
        weights, gradients = (
            sum(_local(p).numel() * p.element_size() for p in parameters)
            for parameters in (run.job.lesson.module.parameters(), run.learning.values())
        )
        on_gpu, state = run.device.type == "cuda", state_bytes(run)
        held = int(torch.cuda.memory_allocated(run.device)) if on_gpu else resident()
        available = _obtainable(run.device) if on_gpu else obtainable()
        exact = run.job.settings.precision == "exact"
        gain = gain_of_bfloat16(run.device) if exact else None
        return cls(weights, gradients, state, held + gradients + state, available, run.device.type, exact, gain)

    def event(self) -> dict[str, Any]:
        """As an event."""
        return {"event": "needs"} | asdict(self)


def worth_a_forecast(run: Run) -> bool:
    """Whether the run is long enough for a forecast to cost next to nothing, or weights and optimiser alone need half of the memory."""
    long = run.total >= STEPS and sum(run.job.lesson.lengths) * run.job.settings.epochs >= TOKENS
    needs = run.result.needs
    return long or (run.device.type == "cpu" and needs is not None and 2 * needs.least > needs.available)


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
            module.train()
            several = any(len(cut(step)) > 1 for step in steps[:8])
            return rehearse(compute, learning, accumulates=several, state=state_bytes(run))
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
) -> Forecast:
    """Compute some parts' losses and gradients once, and measure.

    compute: each gives the losses of a part. accumulates: whether steps have several parts, so that gradients are held while a part is computed.
    state: bytes that the optimiser will keep. What torch raises when memory is short comes through.
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
    return Forecast(peak + state, held, state, available)


def _all(compute: Sequence[Callable[[], Tensor]]) -> None:
    for losses in compute:
        losses().sum().backward()  # type: ignore[no-untyped-call]


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
