"""How fast a run was, and how much of what this machine can do."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import torch

from tailorlm.models.arithmetic import facts
from tailorlm.training.job import Trained

SIDE = 4096


def speed(trained: Trained, device: torch.device, processes: int = 1) -> dict[str, Any]:
    """`tokens_per_second`, without padding, over the seconds of the steps alone; and `share_of_peak` where it can be told.

    share_of_peak: operations of matrix products that the model asks for (no padding, nothing computed twice) over what the machine does
    in large products and in the same precision (MFU). It can be told for runs long enough for a forecast.
    """
    found: dict[str, Any] = {"tokens_per_second": round(trained.tokens_seen / max(1e-9, trained.busy), 1)}
    highest = peak_operations(device, trained.computed_in) * processes
    if trained.forecast is None or not trained.forecast.operations or not highest:
        return found
    useful = trained.forecast.operations * trained.tokens_seen / max(1e-9, trained.busy)
    return found | {"share_of_peak": round(useful / highest, 4), "computed_in": trained.computed_in}


def peak_operations(device: torch.device, kind: str) -> float:
    """Floating point operations a second of large matrix products, measured: remembered for a processor, once a process for a GPU; 0 if unknown."""
    if device.type == "cpu":
        return 1e9 * float(facts().get("gflops_bfloat16" if kind == "bfloat16" else "gflops", 0.0))
    return _measured(device, kind) if device.type == "cuda" else 0.0


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
