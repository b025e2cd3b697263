"""Ctrl-C and SIGTERM during training: between steps, never inside one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

INTERRUPTED = 130
# A launcher passes a signal on that its processes got from the terminal as well: within this time both are one.
SECOND_AFTER = 3.0


class Signals:
    """While this block runs, SIGINT and SIGTERM raise KeyboardInterrupt, but not within `held()`: there they wait for its end.

    `arrived` says that one came, also where a library turned the exception into its own. A second signal while one waits leaves
    the process at once. Outside the main thread nothing is touched, since Python delivers signals to the main thread alone.
    together: raise nothing at all; the loop looks at `arrived` where all processes can stop at once.
    """

    def __init__(self, *, together: bool = False) -> None:
        self._before: dict[int, Any] = {}
        self._holding = False
        self._together = together
        self._first = 0.0
        self.arrived = False

    def check(self) -> None:
        """Raise KeyboardInterrupt when a signal has come: one that was held back, or that a library kept to itself."""
        if self.arrived and not self._together:
            raise KeyboardInterrupt

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
        self.check()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        second, self.arrived = self.arrived, True
        self._first = self._first if second else time.monotonic()
        if not (self._holding or self._together):
            raise KeyboardInterrupt
        if second and not (self._together and time.monotonic() - self._first < SECOND_AFTER):
            os._exit(INTERRUPTED)
