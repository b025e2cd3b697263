"""What numbers this machine computes with: the fastest exact route of float32 products, and bfloat16 where it pays; found by measuring, remembered.

On AMD processors with AVX-512 torch's default route reaches half of what oneDNN does at the same error; on others there is nothing to
gain, and where oneDNN would round to bfloat16 (AMX) the error gives it away. GPUs keep their default.
In bfloat16 the products alone are computed: weights, gradients and the optimiser's state stay float32 (Micikevicius et al. 2018,
arXiv:1710.03740, without loss scaling, which bfloat16 does not need).
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError, UsageError

VARIABLE = "TAILOR_ARITHMETIC"
ROUTES = ("highest", "medium")
# Another route must be this much faster, and its error at most so many times the default's; bfloat16, whose casts cost time, this much.
WORTH, ERROR, WORTH_BFLOAT16 = 1.15, 2.0, 1.5
ROUNDS, ROWS, WIDTH, INNER = 7, 1024, 384, 1536
# Without instructions for it, bfloat16 is up to a hundred times slower: a few rows tell.
FEW_ROWS = 32


@contextmanager
def fastest_exact(device: torch.device) -> Iterator[str]:
    """Inside the block float32 products take the fastest exact route of this machine; yields its name as torch calls it.

    TAILOR_ARITHMETIC=highest (or medium) takes that route without measuring.
    """
    chosen = route() if device.type == "cpu" else torch.get_float32_matmul_precision()
    with _route(chosen):
        yield chosen


@contextmanager
def few_rows(device: torch.device) -> Iterator[None]:
    """Inside the block products of one token a row take torch's default route: what the other gains with many rows it loses with one."""
    with _route(ROUTES[0]) if device.type == "cpu" else nullcontext():
        yield


def precision(wanted: str, device: torch.device) -> str:
    """`float32` or `bfloat16`: what products are computed in. wanted: `exact`, `bf16`, or `auto`, which takes what is faster here.

    UsageError for `bf16` on a GPU that has none.
    """
    if wanted == "exact":
        return "float32"
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        if wanted == "bf16" and not has:
            raise UsageError(
                "this GPU has no bfloat16", got=torch.cuda.get_device_name(device), allowed="exact or auto"
            )
        return "bfloat16" if has else "float32"
    if wanted == "bf16":
        return "bfloat16"
    return "bfloat16" if facts().get("bfloat16", 0.0) >= WORTH_BFLOAT16 else "float32"


def computing(kind: str, device: torch.device) -> AbstractContextManager[Any]:
    """Inside the block products are computed in this precision. One block a step: it remembers casts of weights, which a step changes."""
    return torch.autocast(device.type, torch.bfloat16) if kind == "bfloat16" else nullcontext()


def route() -> str:
    """The route for this machine: as told, as remembered, or as measured now (a tenth of a second)."""
    return str(facts()["route"])


def facts() -> dict[str, Any]:
    """`route`, and where it was measured `speedup` (oneDNN's route over the default), `error`, `bfloat16` (how many times faster than
    the best float32) and `gflops`, `gflops_bfloat16` (billions of operations a second in matrix products)."""
    told = os.environ.get(VARIABLE, "")
    if told:
        if told not in ROUTES:
            raise UsageError(f"{VARIABLE} is '{told}'", allowed=" or ".join(ROUTES))
        return {"route": told}
    path, machine = _memory(), _machine()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("machine") == machine and kept.get("route") in ROUTES:
            return dict(kept)
    except (OSError, ValueError, AttributeError):
        pass
    measured: dict[str, Any] = dict(measure())
    measured["route"] = "medium" if measured["speedup"] >= WORTH and measured["error"] <= ERROR else "highest"
    measured |= measure_bfloat16(measured["route"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, json.dumps({"machine": machine, **measured}) + "\n")
    except (OSError, TailorError):
        return {"route": "highest"}  # a choice that cannot be remembered could differ from run to run
    return measured


def measure() -> dict[str, float]:
    """How many times faster oneDNN's route is than the default, and how many times larger its error against float64."""
    a, b = _factors(ROWS)
    true = a.double() @ b.double()
    seconds: dict[str, list[float]] = {name: [] for name in ROUTES}
    errors: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name in ROUTES:  # in turns, and the best of each: other programs disturb both alike
            with _route(name):
                start = _clock()
                product = a @ b
                seconds[name].append(_clock() - start)
            errors[name] = float((product.double() - true).norm() / true.norm())
    return {
        "speedup": round(min(seconds["highest"]) / min(seconds["medium"]), 3),
        "error": round(errors["medium"] / errors["highest"], 3),
    }


def measure_bfloat16(name: str) -> dict[str, float]:
    """How many times faster products are in bfloat16 than in float32 along this route, and the speed of both."""
    with _route(name):
        rows = ROWS if _best(FEW_ROWS, torch.bfloat16, 2) > _best(FEW_ROWS, torch.float32, 2) else FEW_ROWS
        rounds = ROUNDS if rows == ROWS else 1
        exact, short = _best(ROWS, torch.float32, ROUNDS), _best(rows, torch.bfloat16, rounds)
    return {
        "bfloat16": round(short / exact, 3),
        "gflops": round(exact / 1e9, 1),
        "gflops_bfloat16": round(short / 1e9, 1),
    }


def _best(rows: int, kind: torch.dtype, rounds: int) -> float:
    """Operations a second of one product, the best of some rounds."""
    a, b = (factor.to(kind) for factor in _factors(rows))
    seconds = []
    for _ in range(rounds):
        start = _clock()
        a @ b
        seconds.append(_clock() - start)
    return 2.0 * rows * WIDTH * INNER / min(seconds)


def _clock() -> float:
    """Seconds of the processor, for each thread: waiting for other programs, which would be remembered for good, is not counted."""
    return time.process_time() / torch.get_num_threads()


def _factors(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(rows, WIDTH, generator=random), torch.randn(WIDTH, INNER, generator=random)


@contextmanager
def _route(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _memory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tailorlm" / f"arithmetic-{torch.get_num_threads()}.json"


def _machine() -> str:
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.node()} {platform.processor()} {capability} torch {torch.__version__} facts 3"
