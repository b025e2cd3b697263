"""How much memory this process uses: its peak while something runs, and what is still to be had."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class PeakMemory:
    """Peak resident memory of this process while the block runs, in bytes (`bytes`), not of what ran before it.

    On Linux the kernel's own high-water mark is reset on entry, after freed memory was given back; elsewhere, or where the
    kernel refuses, a thread samples the resident size every 20 ms. What the process holds anyway (interpreter, libraries) is included:
    it is what a machine needs to run this alone. Blocks may lie inside each other. GPU memory is not included.
    """

    _open: ClassVar[list[PeakMemory]] = []

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        gc.collect()
        _give_back()
        for outer in self._open:  # the mark is one for all: what it was until here counts for them
            outer.bytes = max(outer.bytes, _high_water())
        self._open.append(self)
        try:
            CLEAR.write_text("5")  # resets VmHWM; see proc(5)
        except OSError:
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.remove(self)
        if self._thread is None:
            self.bytes = max(self.bytes, _high_water())
            return
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes, int(process.memory_info().rss))
            if self._stop.wait(0.02):
                return


def resident() -> int:
    """Bytes of memory that this process holds now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def obtainable() -> int:
    """Bytes that this process may hold: what it has, and what is free on the machine or left of its container's limit; its
    share of that where several processes train together."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for path in LIMITS:
        try:
            limit = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):  # `max` where there is no limit
            continue
        free = min(free, limit - resident())
    return resident() + max(0, free) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def _high_water() -> int:
    if not STATUS.is_file():
        return 0
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _give_back() -> None:
    # glibc keeps freed memory for itself; without this the last way's peak would count for the next.
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):
            return
