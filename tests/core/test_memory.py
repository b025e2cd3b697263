"""Memory is measured: what the block used counts, what was freed before it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tailorlm.core import memory
from tailorlm.core.memory import PeakMemory, obtainable, resident

MB = 1_000_000


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.fixture(params=["kernel", "sampled"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Both ways of measuring: the kernel's high-water mark, and the thread where the kernel refuses."""
    if request.param == "sampled":
        monkeypatch.setattr(memory, "CLEAR", tmp_path / "no" / "such" / "file")
    elif not memory.STATUS.is_file():
        pytest.skip("this system has no /proc")
    return str(request.param)


def test_what_the_block_takes_is_seen_though_it_is_freed_inside(way: str) -> None:
    before = _resident()
    with PeakMemory() as peak:
        held = np.ones(25 * MB)  # 200 MB
        if way == "sampled":
            import time

            time.sleep(0.08)
        del held
    assert 180 * MB < peak.bytes - before < 300 * MB


def test_what_was_freed_before_is_not(way: str) -> None:
    held = np.ones(25 * MB)
    high = _resident()
    del held
    with PeakMemory() as peak:
        pass
    assert peak.bytes < high - 100 * MB


def test_two_blocks_are_measured_apart(way: str) -> None:
    with PeakMemory() as large:
        held = np.ones(25 * MB)
        if way == "sampled":
            import time

            time.sleep(0.08)
        del held
    with PeakMemory() as small:
        pass
    assert large.bytes - small.bytes > 150 * MB
    assert small.bytes > 10 * MB


def test_a_fault_inside_comes_out_and_the_thread_ends(way: str) -> None:
    peak = PeakMemory()
    with pytest.raises(KeyError), peak:
        raise KeyError
    assert peak._thread is None or not peak._thread.is_alive()
    assert peak.bytes > 0


def test_a_block_inside_a_block_hides_nothing_of_it(way: str) -> None:
    with PeakMemory() as outer:
        held = np.ones(25 * MB)
        if way == "sampled":
            import time

            time.sleep(0.08)
        high = _resident()
        del held
        with PeakMemory() as inner:
            pass
    assert inner.bytes < high - 100 * MB
    assert outer.bytes > high - 20 * MB
    assert PeakMemory._open == []


def test_what_may_be_had_lies_between_what_is_held_and_the_machine() -> None:
    assert resident() < obtainable() <= psutil.virtual_memory().total
