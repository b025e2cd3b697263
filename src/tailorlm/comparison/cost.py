"""What a way costs, measured: seconds, peak memory, bytes."""

from __future__ import annotations

from pathlib import Path

from tailorlm.core.memory import PeakMemory as PeakMemory


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder that an adaptation needs to predict (its model card left out)."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name not in {"README.md", "COMPLETE"})
