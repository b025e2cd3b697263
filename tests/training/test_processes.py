"""The same job on two processes: the same losses, copies and shards alike; stopped there and gone on with here, and back; faults on one end both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import beside
import numpy as np
import pytest

from tailorlm.core.errors import UsageError
from tailorlm.training.processes import Copies, join

Base = Callable[..., Path]
NAMES = ["copies", "shards", "lora", "clipped", "chance", "nan", "memory", "other", "adafactor", "short"]
NAMES += ["unlike", "clock", "twice"]
NAMES += ["stopped-copies", "stopped-shards", "stopped-chance", "on-copies", "on-shards", "on-chance"]


def launched(count: int, folder: Path, base: Path, names: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(Path(beside.__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, str(Path(beside.__file__)), str(folder), str(base), *names]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        for process in started:
            _, errors = process.communicate(timeout=280)  # some 25 seconds of processor, however busy the machine is
            assert process.returncode == 0, errors
    finally:
        for process in started:
            process.kill()


@pytest.fixture(scope="module")
def folder(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes gave for every scenario; started once."""
    folder = tmp_path_factory.mktemp("two")
    for name in ("c4", "c5"):  # one process is stopped; two go on
        stopped = beside.run(base(), folder / name, at=8, what="signal")
        assert stopped["interrupted"]
    launched(2, folder, base(), NAMES)
    return folder


def found(folder: Path, name: str) -> list[dict[str, Any]]:
    results = [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in range(2)]
    assert len(results) == 2
    return results


@pytest.fixture(scope="module")
def alone(base: Base) -> dict[str, Any]:
    return beside.run(base())


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 2e-6) -> None:
    assert len(one["losses"]) == len(other["losses"]) == 12
    for key in ("losses", "row_losses", "scores"):
        assert np.abs(np.array(one[key]) - np.array(other[key])).max() <= tolerance, key
    assert np.abs(np.array(one["validation"]) - np.array(other["validation"])).max() <= tolerance
    for name, values in one["weights"].items():
        assert np.abs(np.array(values) - np.array(other["weights"][name])).max() <= 10 * tolerance, name


@pytest.mark.parametrize("name", ["copies", "shards"])
def test_two_processes_learn_what_one_learns(name: str, folder: Path, alone: dict[str, Any]) -> None:
    first, second = found(folder, name)
    assert_same(first, alone)
    assert {k: v for k, v in first.items() if k != "events"} == {k: v for k, v in second.items() if k != "events"}
    assert first["plain"], "shards were put together again"
    assert first["events"] > 12
    assert second["events"] == 0, "one process speaks"


def test_what_each_process_made_for_itself_is_the_first_ones(folder: Path, alone: dict[str, Any]) -> None:
    for result in found(folder, "unlike"):
        assert_same(result, alone)


def test_a_row_that_a_step_holds_twice_is_counted_twice(folder: Path, base: Base) -> None:
    whole = beside.run(base(), what="twice")
    for result in found(folder, "twice"):
        assert_same(result, whole)


def test_one_clock_says_when_a_checkpoint_is_due(folder: Path, alone: dict[str, Any]) -> None:
    assert_same(found(folder, "clock")[0], alone)
    assert not (folder / "c6").exists(), "the other processes' clocks are never reset"


def test_shards_of_a_frozen_base_and_a_clipped_gradient(folder: Path, base: Base) -> None:
    assert_same(found(folder, "lora")[0], beside.run(base(), part="lora"))
    assert_same(found(folder, "clipped")[0], beside.run(base(), clip=0.05))


def test_shards_in_bfloat16_learn_about_the_same(folder: Path, base: Base) -> None:
    short, exact = found(folder, "short")[0], beside.run(base(), part="lora")
    difference = np.abs(np.array(short["losses"]) - np.array(exact["losses"]))
    assert 0 < difference.max() < 0.02
    assert short["plain"]


@pytest.mark.parametrize(("name", "kept"), [("stopped-copies", "c1"), ("stopped-shards", "c2")])
def test_one_process_goes_on_with_what_two_wrote(
    name: str, kept: str, folder: Path, base: Base, alone: dict[str, Any]
) -> None:
    assert [result.get("interrupted") for result in found(folder, name)] == [True, True]
    result = beside.run(base(), folder / kept)
    assert 0 < result["resumed"] < 12
    assert_same(result, alone)


@pytest.mark.parametrize("name", ["on-copies", "on-shards"])
def test_two_processes_go_on_with_what_one_wrote(name: str, folder: Path, alone: dict[str, Any]) -> None:
    first, _ = found(folder, name)
    assert 0 < first["resumed"] < 12
    assert_same(first, alone)


def test_with_dropout_two_processes_repeat_and_go_on_to_the_bit(folder: Path) -> None:
    whole, rest = found(folder, "chance")[0], found(folder, "on-chance")[0]
    assert 0 < rest["resumed"] < 12
    assert {k: v for k, v in rest.items() if k not in {"events", "resumed"}} == {
        k: v for k, v in whole.items() if k not in {"events", "resumed"}
    }


def test_a_fault_of_one_process_is_the_fault_of_all(folder: Path, alone: dict[str, Any]) -> None:
    first, second = found(folder, "nan")
    assert first["error"] == second["error"]
    assert "is not a finite number" in first["error"]
    first, second = found(folder, "other")
    assert first["error"] == second["error"]
    assert "train different things" in first["error"]
    assert "rows" in first["error"]
    first, second = found(folder, "adafactor")
    assert first["error"] == second["error"]
    assert "shared out" in first["error"]


def test_memory_short_on_one_process_halves_the_parts_of_all(folder: Path, alone: dict[str, Any]) -> None:
    first, second = found(folder, "memory")
    assert_same(first, alone)
    assert len(first["notes"]) == len(second["notes"]) == 1
    assert "32 tokens at once" in first["notes"][0]


# ---- without other processes


def test_rows_are_dealt_out_there_and_back() -> None:
    assert Copies(0, 3).shares([10, 11, 12, 13, 14, 15, 16]) == [[10, 15, 16], [11, 14], [12, 13]]
    assert Copies(0, 2).shares([5]) == [[5], []]
    assert Copies(1, 2).parts([5], [1] * 9, 8) == []


def test_deepspeed_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(UsageError, match="use_fsdp"):
        join()
