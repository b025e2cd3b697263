"""How fast a run was, and how much of what this machine can do: operations that the model asks for, over what large products reach here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tailorlm.models.arithmetic import computing, facts
from tailorlm.training.checkpoint import random_states, restore_random
from tailorlm.training.memory import out_of_memory

if TYPE_CHECKING:
    from tailorlm.training.job import Trained
    from tailorlm.training.loop import Run

SIDE = 4096
# torch's own formulas pass these over, or count for the backward pass of attention what is computed a second time.
ATTENTION = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention")


def speed(trained: Trained, device: torch.device, processes: int = 1) -> dict[str, Any]:
    """`tokens_per_second`, without padding, over the `busy_seconds` of the steps alone; `computed_in`; and `share_of_peak` where it can be told.

    share_of_peak: operations of matrix products that the model asks for (no padding, nothing computed twice) over what the machine does
    in large products and in the same precision (MFU; Chowdhery et al. 2022, arXiv:2204.02311).
    """
    pace = trained.tokens_seen / max(1e-9, trained.busy)
    found = {
        "tokens_per_second": round(pace, 1),
        "busy_seconds": round(trained.busy, 3),
        "computed_in": trained.computed_in,
    }
    highest = peak_operations(device, trained.computed_in) * processes
    if not trained.operations or not highest:
        return found
    return found | {"share_of_peak": round(trained.operations * pace / highest, 4)}


def peak_operations(device: torch.device, kind: str) -> float:
    """Floating point operations a second of large matrix products, measured: remembered for a processor, once a process for a GPU; 0 if unknown."""
    if device.type == "cpu":
        return 1e9 * float(facts().get("gflops_bfloat16" if kind == "bfloat16" else "gflops", 0.0))
    return _measured(device, kind) if device.type == "cuda" else 0.0


def gain_of_bfloat16(device: torch.device) -> float | None:
    """How many times as fast large products are in bfloat16 as in float32 on this device; None if unknown."""
    exact, short = (peak_operations(device, kind) for kind in ("float32", "bfloat16"))
    return round(short / exact, 3) if exact and short else None


def operations_of(run: Run) -> float:
    """Floating point operations of matrix products for a token that is no padding, forward and backward, counted on one row of the run.

    The model is at rest meanwhile, so that blocks computed again do not count twice. No parameter changes and no chance is spent. 0 where memory
    is short.
    """
    lesson, random = run.job.lesson, random_states(run.device)
    row = telling_row(lesson.lengths, lesson.counts)
    lesson.module.eval()
    try:
        with computing(run.result.computed_in, run.device), _Counting() as counting:
            loss = lesson.losses([row]).sum()
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return 0.0
    finally:
        for parameter in run.learning.values():
            parameter.grad = None
        restore_random(random, run.device)
    return float(counting.operations) / max(1, lesson.lengths[row])


def telling_row(lengths: Sequence[int], counts: Sequence[int]) -> int:
    """The row whose operations a token are nearest to those of all rows together: by length, long rows weighing what they hold (attention's
    operations a token rise with it), and by labels a token, which the vocabulary's projection is computed for."""
    tokens, labels = np.asarray(lengths, float), np.asarray(counts, float)
    length = (tokens**2).sum() / tokens.sum()
    share = labels.sum() / tokens.sum()
    return int(np.argmin(np.abs(tokens / length - 1) + np.abs(labels / np.maximum(1, tokens) / share - 1)))


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside the block operations of matrix products are added up, by torch's formulas and ours. torch's own counter also follows modules, which
    takes twice the time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self._formulas = 0, _formulas()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        formula = self._formulas.get(func._overloadpacket)
        if formula is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=found)
        return found


def _formulas() -> dict[Any, Any]:
    """torch's formulas, and what it has none for: sums in place, and attention on processors; of attention's backward pass another, since its own
    counts the scores that are computed a second time."""
    from torch.utils.flop_counter import flop_registry

    def products(_: Tensor, a: Tensor, b: Tensor, **others: Any) -> int:
        return 2 * a.shape[0] * a.shape[1] * b.shape[1]

    def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **others: Any) -> int:
        rows, heads, length, width = query.shape
        return 2 * rows * heads * length * key.shape[2] * (width + value.shape[3])

    def backward(_: Tensor, *sides: Any, **others: Any) -> int:
        return 2 * attention(*sides)

    aten = torch.ops.aten
    found: dict[Any, Any] = dict(flop_registry) | {aten.addmm_: products}
    for name in ATTENTION:
        found[getattr(aten, f"_scaled_dot_product_{name}")] = attention
        found[getattr(aten, f"_scaled_dot_product_{name}_backward")] = backward
    return found


@cache
def _measured(device: torch.device, kind: str) -> float:
    a = torch.randn(SIDE, SIDE, device=device, dtype=getattr(torch, kind))
    seconds = []
    for _ in range(5):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return float(2 * SIDE**3 / min(seconds))
