"""Workers on a Ray cluster: actors that take the same messages as child processes do.

Chunks travel to them and answers back, in order, so rows and everything else come out as on one machine. The reading, what must
see all rows at once (copies, splits, the audit) and the writing stay where the preparation was started.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.core.machine import version
from tailorlm.data.prep.worker import PLAN, Hand
from tailorlm.data.prep.workers import checked

LOCAL = "local"
"""The address that starts Ray on this machine, for the time of the preparation."""
_LIVES, _WAIT_S = 3, 10.0


@contextmanager
def cluster(address: str, count: int | None) -> Iterator[tuple[int, type[RayWorker]]]:
    """A connection to the cluster at `address` (`host:port`, `auto`, or `local`), as (workers, what makes one).

    count: how many workers; None takes one for each processor of the cluster. A connection that was there before is used
    and left open. Raises TailorError without Ray, where nothing answers, and where the cluster has fewer processors than
    workers are asked for.
    """
    ray = _ray()
    own = not ray.is_initialized()
    if own:
        _connect(ray, address, count)
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        if not there or (count or 1) > there:
            raise TailorError(
                "the Ray cluster has too few processors",
                got=f"{count or 1} workers for {there} processors",
                hint=f"--workers {there}" if there else "ray start on one machine more",
            )
        yield count or there, RayWorker
    finally:
        if own:
            ray.shutdown()


class RayWorker:
    """One actor. If its machine is lost another takes its place, up to three times: chunks do not know of each other."""

    def __init__(self) -> None:
        self._ray = _ray()
        self._plan: bytes | None = None
        self._lives = _LIVES
        self._actor = self._made()

    def ask(self, kind: bytes, data: bytes, first: int) -> bytes:
        """Send one task and wait for its answer; a fault over there is raised here."""
        if kind == PLAN:
            self._plan = data
        while True:
            try:
                answer = checked(*self._ray.get(self._actor.answer.remote(kind, first, data)))
            except self._ray.exceptions.RayActorError:
                self._lives -= 1
                if not self._lives:
                    raise TailorError(
                        "workers of the Ray cluster ended before their work was done",
                        hint="is this tailorlm installed on every machine, and is there memory enough? See `ray status`",
                    ) from None
                self._actor = self._made()
                if kind != PLAN and self._plan is not None:
                    self._actor.answer.remote(PLAN, 0, self._plan)
                continue
            if kind == PLAN and answer != _version():
                got = f"{answer.decode() or 'no version'} there, {_version().decode() or 'no version'} here"
                raise TailorError("another tailorlm is installed on a machine of the Ray cluster", got=got)
            return answer

    def end(self, *, at_once: bool) -> None:
        """Let go of the actor."""
        if self._ray.is_initialized():
            self._ray.kill(self._actor)

    def _made(self) -> Any:
        return self._ray.remote(num_cpus=1)(Hand).remote()


def _version() -> bytes:
    return (version("tailorlm") or "").encode()


def _connect(ray: Any, address: str, count: int | None) -> None:
    _knock(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    quiet = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(
            address=address,
            num_cpus=count if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **quiet,
        )
    except Exception as fault:
        raise _nobody(address, fault) from None


def _knock(address: str) -> None:
    """Whether anything listens there at all: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=_WAIT_S).close()
        except OSError as fault:
            raise _nobody(address, fault) from None


def _nobody(address: str, fault: Exception) -> TailorError:
    return TailorError(
        f"no Ray cluster answers at {address}",
        got=type(fault).__name__,
        allowed=f"host:port of its head, `auto` on a machine that belongs to it, or `{LOCAL}`",
        hint="ray start --head, on the machine that shall lead; `ray status` shows whether it runs",
    )


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError(
            "--ray needs Ray, which is not installed", hint="pip install 'tailorlm[distributed]'"
        ) from None
    return ray
