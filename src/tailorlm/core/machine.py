"""What a number was measured on: software, commit, processor, memory."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "safetensors", "numpy", "scipy", "scikit-learn", "pydantic")


def version(package: str) -> str | None:
    """The installed version of a package, or None; does not import it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def environment() -> dict[str, Any]:
    """Versions, commit, processor and memory of this machine; nothing that names the user or a path."""
    return {
        "tailorlm": version("tailorlm"),
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        **{package: version(package) for package in PACKAGES},
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes() -> tuple[int, int]:
    """Which of how many processes this is, as `torchrun` and `accelerate launch` tell: (0, 1) for one alone."""
    if (
        not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()
    ):  # queues set some of them for jobs of one process too
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    """Memory of the machine in bytes."""
    import psutil

    return int(psutil.virtual_memory().total)


@cache
def commit() -> str | None:
    """The commit of tailorlm's own checkout, with `+changes` where the tree differs from it; None when installed from a wheel."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
        dirty = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "src"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
