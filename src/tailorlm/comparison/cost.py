"""What a way costs, measured: seconds, peak memory, bytes."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class PeakMemory:
    """Peak resident memory of this process while the block runs, in bytes (`bytes`), not of what ran before it.

    On Linux the kernel's own high-water mark is reset on entry, after freed memory was given back; elsewhere, or where the
    kernel refuses, a thread samples the resident size every 20 ms. What the process holds anyway (interpreter, libraries) is included:
    it is what a machine needs to run this way alone. GPU memory is not included.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        gc.collect()
        _give_back()
        try:
            CLEAR.write_text("5")  # resets VmHWM; see proc(5)
        except OSError:
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            self.bytes = _high_water()
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


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder that an adaptation needs to predict (its model card left out)."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name not in {"README.md", "COMPLETE"})


def _high_water() -> int:
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
