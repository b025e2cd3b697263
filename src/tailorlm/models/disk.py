"""Arrays that do not fit into memory, in a file that is gone when the process is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np


class OnDisk(Mapping[str, np.ndarray]):
    """float32 arrays by key, written once and read again and again; what was read lately stays in the system's own cache.

    limit: bytes at most (half of what the disk has free, unless told). The file lies in the user's cache folder (XDG_CACHE_HOME), has no name and
    needs no cleaning up, however the process ends. Values come back to the bit: 16 bits would halve the file, and change losses.
    """

    def __init__(self, limit: int = -1):
        self.limit, self.bytes = limit, 0
        self._file = -1
        self._places: dict[str, tuple[int, tuple[int, ...]]] = {}

    def add(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Keep these arrays; False, and none of them is kept, where there is no room or no place for the file."""
        size = sum(array.nbytes for array in arrays.values())
        try:
            if self._file < 0:
                self._open()
            if self.bytes + size > self.limit:
                return False
            whole = b"".join(np.ascontiguousarray(array, dtype=np.float32).tobytes() for array in arrays.values())
            view, at = memoryview(whole), self.bytes
            while view:
                written = os.pwrite(self._file, view, at)
                view, at = view[written:], at + written
        except OSError:
            self.limit = self.bytes  # a full disk will not become emptier: what is kept stays of use
            return False
        for key, array in arrays.items():
            self._places[key] = (self.bytes, array.shape)
            self.bytes += array.nbytes
        return True

    def _open(self) -> None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailorlm"
        folder.mkdir(parents=True, exist_ok=True)
        if self.limit < 0:
            self.limit = shutil.disk_usage(folder).free // 2
        handle, path = tempfile.mkstemp(dir=folder, prefix=".states-")
        os.unlink(path)
        self._file = handle

    def __getitem__(self, key: str) -> np.ndarray:
        at, shape = self._places[key]
        size = 4 * int(np.prod(shape))
        return np.frombuffer(os.pread(self._file, size, at), dtype=np.float32).reshape(shape)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)
