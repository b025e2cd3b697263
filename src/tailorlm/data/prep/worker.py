"""One worker process: takes a plan, then chunks of rows, over its standard input; answers over its standard output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import IO, Any

from tailorlm.core.errors import TailorError
from tailorlm.core.machine import version
from tailorlm.data.prep.stage import Stage, StagePlan

_HEAD = struct.Struct("<cQQ")  # kind, size, number of the first row
PLAN, LOOK, RUN, ANSWER, FAULT = b"P", b"L", b"R", b"A", b"F"


class Hand:
    """What a worker does with each message, in whatever process: takes a plan, then chunks."""

    def __init__(self) -> None:
        self._stage: Stage | None = None

    def answer(self, kind: bytes, first: int, data: bytes) -> tuple[bytes, bytes]:
        """The kind of the answer (`ANSWER` or `FAULT`) and its bytes. Nothing is raised."""
        try:
            if kind == PLAN:
                self._stage = Stage(StagePlan.load(data))
                return ANSWER, (version("tailorlm") or "").encode()
            assert self._stage is not None
            if kind == RUN:
                return ANSWER, self._stage.run(data, first).pack()
            return ANSWER, json.dumps(self._stage.look(data)).encode()
        except Exception as fault:  # told to the parent, which raises it where the user is
            return FAULT, json.dumps(_told(fault)).encode()


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """What a worker process does until its input ends."""
    hand = Hand()
    while (got := receive(source)) is not None:
        send(target, *hand.answer(*got), 0)


def _told(fault: Exception) -> dict[str, Any]:
    if isinstance(fault, TailorError):
        words = {"what": fault.what, "got": fault.got, "allowed": fault.allowed, "hint": fault.hint}
        return {"code": fault.exit_code, **words}
    import traceback

    place = traceback.extract_tb(fault.__traceback__)[-1]  # the message itself may hold text of a row
    return {"code": 0, "what": f"{type(fault).__name__} in {Path(place.filename).name}:{place.lineno}"}


def send(pipe: IO[bytes], kind: bytes, data: bytes, first: int) -> None:
    """Write one message: its kind, the number of its first row, its bytes."""
    pipe.write(_HEAD.pack(kind, len(data), first))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[bytes, int, bytes] | None:
    """Read one message; None at the end of the pipe, or where it breaks off."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, size, first = _HEAD.unpack(head)
    data = pipe.read(size)
    return (kind, first, data) if len(data) == size else None


def main() -> None:
    """The whole of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the parent ends this one
    # What a library prints must not get between the answers.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone, so nobody waits for an answer
        serve(sys.stdin.buffer, target)
    os._exit(0)
