"""Ctrl-C and SIGTERM during training: between steps, never inside one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

INTERRUPTED = 130


class Signals:
    """While this block runs, SIGINT and SIGTERM raise KeyboardInterrupt, but not within `held()`: there they wait for its end.

    A second signal while one waits leaves the process at once. Outside the main thread nothing is touched, since Python delivers
    signals to the main thread alone.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._holding = False
        self._waiting = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """A part that must be whole or not begun: the step of the optimiser."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if not self._holding:
            raise KeyboardInterrupt
        if self._waiting:
            os._exit(INTERRUPTED)
        self._waiting = True
