"""Which route of float32 matrix products is the fastest exact one on this processor, found by measuring and remembered.

On AMD processors with AVX-512 torch's default route reaches half of what oneDNN does at the same error; on others there is nothing to
gain, and where oneDNN would round to bfloat16 (AMX) the error gives it away. GPUs keep their default.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError, UsageError

VARIABLE = "TAILOR_ARITHMETIC"
ROUTES = ("highest", "medium")
# Another route must be this much faster, and its error at most so many times the default's.
WORTH, ERROR = 1.15, 2.0
ROUNDS, ROWS, WIDTH, INNER = 7, 1024, 384, 1536


@contextmanager
def fastest_exact(device: torch.device) -> Iterator[str]:
    """Inside the block float32 products take the fastest exact route of this machine; yields its name as torch calls it.

    TAILOR_ARITHMETIC=highest (or medium) takes that route without measuring.
    """
    before = torch.get_float32_matmul_precision()
    chosen = route() if device.type == "cpu" else before
    torch.set_float32_matmul_precision(chosen)
    try:
        yield chosen
    finally:
        torch.set_float32_matmul_precision(before)


def route() -> str:
    """The route for this machine: as told, as remembered, or as measured now (a tenth of a second)."""
    told = os.environ.get(VARIABLE, "")
    if told:
        if told not in ROUTES:
            raise UsageError(f"{VARIABLE} is '{told}'", allowed=" or ".join(ROUTES))
        return told
    path, machine = _memory(), _machine()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("machine") == machine and kept.get("route") in ROUTES:
            return str(kept["route"])
    except (OSError, ValueError, AttributeError):
        pass
    measured = measure()
    chosen = "medium" if measured["speedup"] >= WORTH and measured["error"] <= ERROR else "highest"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, json.dumps({"machine": machine, "route": chosen, **measured}) + "\n")
    except (OSError, TailorError):
        return "highest"  # a choice that cannot be remembered could differ from run to run
    return chosen


def measure() -> dict[str, float]:
    """How many times faster oneDNN's route is than the default, and how many times larger its error against float64."""
    random = torch.Generator().manual_seed(0)
    a = torch.randn(ROWS, WIDTH, generator=random)
    b = torch.randn(WIDTH, INNER, generator=random)
    true = a.double() @ b.double()
    before = torch.get_float32_matmul_precision()
    seconds: dict[str, list[float]] = {name: [] for name in ROUTES}
    errors: dict[str, float] = {}
    try:
        for _ in range(ROUNDS):
            for name in ROUTES:  # in turns, and the best of each: other programs disturb both alike
                torch.set_float32_matmul_precision(name)
                start = time.perf_counter()
                product = a @ b
                seconds[name].append(time.perf_counter() - start)
                errors[name] = float((product.double() - true).norm() / true.norm())
    finally:
        torch.set_float32_matmul_precision(before)
    return {
        "speedup": round(min(seconds["highest"]) / min(seconds["medium"]), 3),
        "error": round(errors["medium"] / errors["highest"], 3),
    }


def _memory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tailorlm" / "arithmetic.json"


def _machine() -> str:
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.node()} {platform.processor()} {capability} torch {torch.__version__}"
