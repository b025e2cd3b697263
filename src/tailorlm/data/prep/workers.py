"""Chunks of rows through the steps of a stage on all cores, or on the machines of a Ray cluster, in order.

Workers are plain child processes that speak over their standard input and output. They are started anew (no fork), so
threads of other libraries cannot lock them, a script needs no `__main__` guard, and nothing is pickled. On a cluster they
are actors that get the same messages (`on_ray`). Where a chunk is worked on changes nothing of what comes out.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.prep.stage import Outcome, Stage, StagePlan
from tailorlm.data.prep.worker import FAULT, LOOK, PLAN, RUN, receive, send


class Worker(Protocol):
    """Somebody who does chunks elsewhere."""

    def ask(self, kind: bytes, data: bytes, first: int) -> bytes:
        """Send one task and wait for its answer; a fault over there is raised here."""
        ...

    def end(self, *, at_once: bool) -> None:
        """Let go of the worker, when it is done or at once."""
        ...


class Workers:
    """Runs a stage over chunks in `count` processes (1: in this one). Use as a context manager; stages may follow.

    hire: makes a worker elsewhere, in place of a child process; then no chunk is worked on here.
    """

    def __init__(self, count: int, hire: Callable[[], Worker] | None = None):
        self._count, self._away = count, hire is not None
        self._hire: Callable[[], Worker] = hire or Child
        self._hired: tuple[Worker, ...] = ()
        self._children: deque[Worker] = deque()  # those without a task; threads take them and bring them back
        self._threads: ThreadPoolExecutor | None = None
        self._stage: Stage | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._hired:
            child.end(at_once=value is not None)
        if self._threads is not None:
            self._threads.shutdown(wait=True)

    def begin(self, plan: StagePlan, *, alone: bool = False) -> None:
        """From now on chunks go through this stage. alone: in this process, where there is too little for several."""
        self._stage = Stage(plan) if not self._away and (alone or self._count == 1) else None
        if self._stage is None:
            if self._threads is None:
                self._hired = tuple(self._hire() for _ in range(self._count))
                self._children = deque(self._hired)
                self._threads = ThreadPoolExecutor(self._count)
            data = plan.dump()
            for child in self._hired:
                child.ask(PLAN, data, 0)

    def look(self, chunks: Iterable[tuple[int, bytes]]) -> Iterator[Any]:
        """`Stage.look` of each chunk, in order."""
        if self._stage is not None:
            for _, chunk in chunks:
                yield self._stage.look(chunk)
            return
        for answer in self._in_order(LOOK, chunks):
            yield json.loads(answer)

    def run(self, chunks: Iterable[tuple[int, bytes]]) -> Iterator[Outcome]:
        """`Stage.run` of each chunk, in order."""
        if self._stage is not None:
            for first, chunk in chunks:
                yield self._stage.run(chunk, first)
            return
        for answer in self._in_order(RUN, chunks):
            yield Outcome.unpack(answer)

    def _in_order(self, kind: bytes, chunks: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """Answers in the order of the chunks; only a few more chunks than workers are held at a time."""
        assert self._threads is not None
        waiting: deque[Future[bytes]] = deque()
        try:
            for first, chunk in chunks:
                waiting.append(self._threads.submit(self._ask_any, kind, chunk, first))
                if len(waiting) > 2 * self._count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _ask_any(self, kind: bytes, chunk: bytes, first: int) -> bytes:
        child = self._children.popleft()  # as many threads as children: one is always free
        try:
            return child.ask(kind, chunk, first)
        finally:
            self._children.append(child)


class Child:
    """One worker process."""

    def __init__(self) -> None:
        package = str(Path(__file__).parents[3])
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        # One thread each: the processes are the threads.
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            # -P: a file of the user's called json.py must not be taken for ours.
            [sys.executable, "-P", "-c", "from tailorlm.data.prep.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def ask(self, kind: bytes, data: bytes, first: int) -> bytes:
        """Send one task and wait for its answer; a fault over there is raised here."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, kind, data, first)
            got = receive(self._process.stdout)
        except (BrokenPipeError, ValueError):
            got = None
        if got is None:
            code = self._process.wait()
            raise TailorError(
                "a worker process of the preparation ended before its work was done",
                got=f"exit status {code}" + (" (killed: too little memory?)" if code == -9 else ""),
                hint="--workers 1 takes one process and least memory",
            )
        answer, _, payload = got
        return checked(answer, payload)

    def end(self, *, at_once: bool) -> None:
        """Close the pipe, which ends the child; or end it now."""
        if at_once:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()


def checked(answer: bytes, payload: bytes) -> bytes:
    """The payload of an answer; a fault is raised as what it was over there."""
    if answer == FAULT:
        raise _fault_of(json.loads(payload))
    return payload


def _fault_of(told: dict[str, Any]) -> Exception:
    if not told["code"]:
        return RuntimeError(f"a worker of the preparation failed: {told['what']}")
    kind: Callable[..., TailorError] = {2: UsageError, 3: CheckError}.get(told["code"], TailorError)
    return kind(told["what"], got=told["got"], allowed=told["allowed"], hint=told["hint"])
