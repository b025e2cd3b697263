"""A comparison that was stopped, by hand, by a full disk or by damage, goes on where it was and ends the same."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small import quick, some_rows, write_rows

from tailorlm.comparison import search, way
from tailorlm.comparison.finish import finish
from tailorlm.comparison.request import CompareRequest, Prepared, prepare
from tailorlm.core import atomic
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.core.runs import RunWriter, find_runs, read_run

Base = Callable[..., Path]
SRC = Path(__file__).parents[2] / "src"
GRID = {"stages.0.weights.lr": [0.001, 0.01, 0.1]}
WAYS = [quick("one"), quick("two", "bias", search=GRID)]


@pytest.fixture
def ask(base: Base, tmp_path: Path) -> Callable[..., Prepared]:
    """`ask()` prepares the same comparison of two ways each time it is called; keywords change the request."""
    rows = write_rows(tmp_path / "rows.csv", some_rows(40))

    def prepared(folder: Path = tmp_path / "runs", **changes: Any) -> Prepared:
        value = {"rows": str(rows), "base": str(base()), "ways": WAYS} | changes
        return prepare(validate(value, CompareRequest), folder)

    return prepared


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the recipes that were really fitted, trials and last fits alike."""
    names: list[str] = []
    for module in (way, search):
        real = module.fit

        def spied(recipe: Any, *args: Any, real: Any = real, **settings: Any) -> Any:
            names.append(recipe.name)
            return real(recipe, *args, **settings)

        monkeypatch.setattr(module, "fit", spied)
    return names


def hidden(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "runs").iterdir() if p.name.startswith("."))


def predictions(prepared: Prepared) -> dict[str, str]:
    return {run.record["name"]: (run.folder / "predictions.jsonl").read_text() for run in find_runs(prepared.folder)}


def test_a_setting_that_failed_is_kept_in_the_record_of_the_run(
    ask: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = search.fit

    def fit(made: Any, *args: Any, **given: Any) -> Any:
        if made.name == "two" and made.stages[0].weights.settings.lr == 0.1:
            raise TailorError("it came to nothing", got="something private")
        return real(made, *args, **given)

    monkeypatch.setattr(search, "fit", fit)
    prepared = ask()
    prepared.comparer.run()
    record = next(run.record for run in find_runs(prepared.folder) if run.record["name"] == "two")
    assert [one.get("fault") for one in record["search"]] == [None, None, "it came to nothing"]
    assert record["search"][2]["settings"] == {"stages.0.weights.lr": 0.1}
    written = "".join(path.read_text() for path in prepared.folder.rglob("*.json*"))
    assert '"trial-failed"' in written
    assert "something private" not in written


def test_finished_runs_are_not_repeated(ask: Callable[..., Prepared], fits: list[str]) -> None:
    first = finish(ask(), ask().comparer.run())
    assert fits == ["one", "one", "two", "two", "two", "two"]
    fits.clear()
    events: list[dict[str, Any]] = []
    again = ask()
    assert len(again.comparer.finished()) == 2
    second = finish(again, again.comparer.run(events.append))
    assert fits == []
    assert [e["event"] for e in events if e["event"] == "reused"] == ["reused", "reused"]
    changing = {"created", "seconds"}
    assert {k: v for k, v in first.items() if k not in changing} == {
        k: v for k, v in second.items() if k not in changing
    }


def test_ctrl_c_in_the_middle_keeps_what_is_finished(
    ask: Callable[..., Prepared], fits: list[str], tmp_path: Path
) -> None:
    uninterrupted = ask(tmp_path / "other")
    uninterrupted.comparer.run()
    fits.clear()

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "trial" and event["number"] == 3:
            raise KeyboardInterrupt

    stopped = ask()
    with pytest.raises(KeyboardInterrupt):
        stopped.comparer.run(stop)
    assert fits == ["one", "one", "two", "two"]
    assert [run.record["name"] for run in find_runs(stopped.folder)] == ["one"]
    assert hidden(stopped.folder) == []
    assert len((stopped.folder / "trials.jsonl").read_text().splitlines()) == 3
    fits.clear()
    again = ask()
    assert len(again.comparer.finished()) == 1
    again.comparer.run()
    assert fits == ["two", "two"]  # the third trial, and the last fit
    assert predictions(again) == predictions(uninterrupted)
    assert len(predictions(again)) == 2


def test_a_torn_last_line_of_the_trials_is_passed_over(ask: Callable[..., Prepared], fits: list[str]) -> None:
    first = ask()
    first.comparer.run()
    trials = first.folder / "trials.jsonl"
    trials.write_bytes(trials.read_bytes()[:-20])
    shutil.rmtree(first.folder / "runs")
    fits.clear()
    ask().comparer.run()
    assert fits == ["one", "two", "two"]  # last fit; torn trial and last fit
    lines = trials.read_text().splitlines()
    assert len(lines) == 5
    assert len(search.TrialMemory(trials)._known) == 4


def test_other_rows_are_another_comparison(ask: Callable[..., Prepared], fits: list[str], tmp_path: Path) -> None:
    first = ask()
    first.comparer.run()
    write_rows(tmp_path / "rows.csv", [*some_rows(39), ("a changed row", "food")])
    other = ask()
    assert other.folder != first.folder
    assert other.earlier == [first.folder.name]
    assert other.comparer.finished() == []
    fits.clear()
    other.comparer.run()
    assert len(fits) == 6


def test_a_changed_recipe_is_fitted_again_beside_the_old_one(ask: Callable[..., Prepared], fits: list[str]) -> None:
    ask().comparer.run()
    fits.clear()
    changed = ask(ways=[quick("one", train={"epochs": 3}), WAYS[1]])
    changed.comparer.run()
    assert fits == ["one", "one"]
    assert len(find_runs(changed.folder)) == 3


def test_another_base_is_another_comparison(ask: Callable[..., Prepared], base: Base) -> None:
    assert ask().folder != ask(base=str(base("roberta", "mean"))).folder


def test_changed_base_weights_are_noticed(ask: Callable[..., Prepared], base: Base, tmp_path: Path) -> None:
    mine = tmp_path / "model"
    shutil.copytree(base(), mine)
    ask(base=str(mine)).comparer.run()
    weights = mine / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert ask(base=str(mine)).comparer.finished() == []


@pytest.mark.parametrize("damage", ["flipped", "missing", "marker"])
def test_a_damaged_run_is_fitted_again_and_kept_aside(
    damage: str, ask: Callable[..., Prepared], fits: list[str]
) -> None:
    first = ask()
    first.comparer.run()
    before = predictions(first)
    run = next(r for r in find_runs(first.folder) if r.record["name"] == "one").folder
    head = next((run / "adaptation").glob("head*.safetensors"))
    if damage == "flipped":
        data = bytearray(head.read_bytes())
        data[-1] ^= 1
        head.write_bytes(bytes(data))
    elif damage == "missing":
        head.unlink()
    else:
        (run / "COMPLETE").unlink()
    fits.clear()
    again = ask()
    assert len(again.comparer.finished()) == 1
    again.comparer.run()
    assert fits == ["one"]
    assert predictions(again) == before
    assert len(hidden(first.folder)) == 1
    assert hidden(first.folder)[0].startswith(f".{run.name}.damaged-")


def test_what_a_killed_process_left_is_swept_and_a_living_one_is_not(
    ask: Callable[..., Prepared], tmp_path: Path
) -> None:
    first = ask()
    first.comparer.run()
    name = next(iter(first.comparer.finished()))
    runs = first.folder / "runs"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        (runs / f".{name}.tmp-{process}").mkdir()
    shutil.rmtree(runs / name)
    ask().comparer.run()
    assert read_run(runs / name) is not None
    assert hidden(first.folder) == [f".{name}.tmp-{os.getppid()}"]


@pytest.mark.parametrize("at", ["scores.json", "adaptation.json", "run.json", "trials.jsonl"])
def test_a_disk_that_fills_up_stops_everything_and_leaves_nothing_half(
    at: str, ask: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask()
    with monkeypatch.context() as patch:
        _full(patch, at)
        with pytest.raises(TailorError, match="is full") as fault:
            first.comparer.run()
    assert isinstance(fault.value, atomic.DiskFull)
    assert fault.value.exit_code == 1
    assert "free some space" in str(fault.value)
    assert find_runs(first.folder) == []
    assert hidden(first.folder) == []
    again = ask()
    again.comparer.run()
    assert len(find_runs(again.folder)) == 2


def _full(patch: pytest.MonkeyPatch, name: str) -> None:
    """No space is left as soon as the file `name` is written."""
    fault = OSError(errno.ENOSPC, "No space left on device")
    if name == "trials.jsonl":
        patch.setattr(search, "open", _raising(fault), raising=False)
    else:
        real = Path.write_text

        def write_text(path: Path, *args: Any, **settings: Any) -> int:
            if path.name == name:
                raise fault
            return real(path, *args, **settings)

        patch.setattr(Path, "write_text", write_text)


def _raising(fault: Exception) -> Callable[..., Any]:
    def function(*args: Any, **settings: Any) -> Any:
        raise fault

    return function


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 288 kB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = (
        mount
        and os.geteuid() == 0
        and not subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=288k", "tmpfs", str(place)], capture_output=True
        ).returncode
    )
    if not made:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_really_is_full(ask: Callable[..., Prepared], tiny_disk: Path) -> None:
    ways = [quick("small"), quick("large", "full", train={"epochs": 1})]  # 151 kB of weights
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * 140_000)
    first = ask(tiny_disk, ways=ways)
    with pytest.raises(atomic.DiskFull, match="too full"):  # said before the fit, not after it
        first.comparer.run()
    assert [run.record["name"] for run in find_runs(first.folder)] == ["small"]
    assert hidden(first.folder) == []
    filler.unlink()
    again = ask(tiny_disk, ways=ways)
    assert len(again.comparer.finished()) == 1
    filler.write_bytes(b"x" * 92_000)
    with pytest.raises(atomic.DiskFull):  # still too little: 151 kB beside what is there
        again.comparer.run()
    filler.unlink()
    again.comparer.run()
    assert len(find_runs(again.folder)) == 2


def test_events_on_a_disk_with_no_byte_left(tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"

    def fill_and_write() -> None:
        with RunWriter(tiny_disk, "run") as writer:
            with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
                while handle.write(b"x" * 4096):
                    pass
            for _ in range(200):
                writer.event({"event": "step", "note": "x" * 100})

    with pytest.raises(atomic.DiskFull):
        fill_and_write()
    assert [p.name for p in tiny_disk.iterdir()] == ["filler"]


def test_sigint_leaves_within_seconds_with_130_and_a_rerun_goes_on(base: Base, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", some_rows(40))
    recipe = tmp_path / "long.yaml"
    recipe.write_text(
        "name: long\nstages:\n  - weights: bias\n    train: {epochs: 10000, patience: 1000}\nsearch: {}\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from tailorlm.cli import main; main()", "compare", "rows.csv", "--methods"]
    command += ["zero-shot", "--recipe", str(recipe), "--model", str(base())]
    first = _interrupted_after(50, command, tmp_path, environment)
    folder = next((tmp_path / "tailor-runs").glob("compare-*"))
    assert [run.record["name"] for run in find_runs(folder)] == ["zero-shot"]
    assert [name.rsplit(".", 1)[1] for name in hidden(folder)] == ["underway"]
    assert "resumed" not in {event["event"] for event in first}
    second = _interrupted_after(60, command, tmp_path, environment)
    resumed = next(event for event in second if event["event"] == "resumed")
    assert resumed["step"] >= max(event["step"] for event in first if event["event"] == "step"), "the same fit goes on"
    recipe.write_text(recipe.read_text().replace("10000", "1").replace("1000", "1"))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert b"1 of 2 runs are finished from before" in done.stdout
    assert len(find_runs(folder)) == 2
    assert hidden(folder) == []


def _interrupted_after(
    step: int, command: list[str], folder: Path, environment: dict[str, str]
) -> list[dict[str, Any]]:
    """Run a command, interrupt it once a step is reached, and return the events up to there."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    events = []
    for line in process.stderr:
        events.append(json.loads(line))
        if events[-1]["event"] == "step" and events[-1]["step"] >= step:
            break
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=30)
    assert time.monotonic() - sent < 10
    assert process.returncode == 130
    assert b"interrupted; finished runs are kept" in rest
    assert b"Traceback" not in rest
    return events
