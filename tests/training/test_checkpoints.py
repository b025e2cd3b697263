"""Stopped anywhere and gone on with: the same bits as a run that was never stopped. Damage, disks and other runs are met in words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import Toy, job

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError
from tailorlm.training import checkpoint
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Score, Trained
from tailorlm.training.loop import train

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cut-steps": {"micro_tokens": 16},
    "average": {"average": 0.9},
    "lion": {"optimiser": "lion"},
    "sgd": {"optimiser": "sgd"},
    "adafactor": {"optimiser": "adafactor"},
    "tokens": {"tokens_per_step": 20, "schedule": "cosine"},
}


class Falling:
    """Validation that is best after the second pass, and can be interrupted."""

    def __init__(self, toy: Toy, stop: int | None = None):
        self.toy, self.stop, self.calls = toy, stop, 0

    def __call__(self) -> Score:
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        weight = float(self.toy.module[1].weight.abs().sum())
        return Score(-abs(weight - 6.0), weight)


class Stops(Toy):
    """Is interrupted when scores are asked for the `at`-th time: in the middle of a step."""

    def __init__(self, at: int | None):
        super().__init__()
        self.at = at

    def scores(self, index: Any) -> torch.Tensor:
        if self.at is not None and len(self.asked) >= self.at:
            raise KeyboardInterrupt
        return super().scores(index)


def facts(toy: Toy, trained: Trained) -> tuple[Any, ...]:
    weights = {name: value.tolist() for name, value in toy.weights().items()}
    return (
        weights,
        trained.losses,
        trained.validation,
        trained.best_epoch,
        trained.rows_seen,
        trained.row_losses.tolist(),
    )


def whole(name: str, validated: bool) -> tuple[Any, ...]:
    toy = Toy()
    return facts(toy, train(job(toy, **SETTINGS[name]), validate=Falling(toy) if validated else None))


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("at", [0, 1, 7, 13, 19])
def test_stopped_anywhere_it_goes_on_to_the_same_bits(name: str, validated: bool, at: int, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c")
    stopped = Stops(at)
    with pytest.raises(KeyboardInterrupt):
        train(job(stopped, **SETTINGS[name]), validate=Falling(stopped) if validated else None, checkpoints=kept)
    torch.manual_seed(99)
    toy = Toy()
    trained = train(job(toy, **SETTINGS[name]), validate=Falling(toy) if validated else None, checkpoints=kept)
    assert facts(toy, trained) == whole(name, validated)
    assert trained.resumed == (at if name != "cut-steps" and not validated else trained.resumed)


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("name", ["plain", "average"])
def test_stopped_while_validating(name: str, stop: int, tmp_path: Path) -> None:
    kept, stopped = Checkpoints(tmp_path / "c"), Toy()
    with pytest.raises(KeyboardInterrupt):
        train(job(stopped, **SETTINGS[name]), validate=Falling(stopped, stop), checkpoints=kept)
    toy = Toy()
    trained = train(job(toy, **SETTINGS[name]), validate=Falling(toy), checkpoints=kept)
    assert facts(toy, trained) == whole(name, True)
    assert trained.resumed == 6 * stop


def test_patience_goes_on_counting(tmp_path: Path) -> None:
    """A run that has ended by patience does not begin again because it was loaded."""
    values = [0.9, 0.5, 0.4, 0.3, 0.2]

    def validate(stop: int | None = None) -> Callable[[], Score]:
        left = iter(enumerate(values, 1))

        def score() -> Score:
            number, value = next(left)
            if number == stop:
                raise KeyboardInterrupt
            return Score(value, 1.0)

        return score

    whole_run = train(job(Toy(), patience=2), validate=validate())
    kept = Checkpoints(tmp_path / "c")
    with pytest.raises(KeyboardInterrupt):
        train(job(Toy(), patience=2), validate=validate(3), checkpoints=kept)
    rest = validate()
    rest(), rest()  # the two passes before
    again = train(job(Toy(), patience=2), validate=rest, checkpoints=kept)
    assert (again.validation, again.best_epoch) == (whole_run.validation, whole_run.best_epoch)
    assert len(again.validation) == 3


def test_checkpoints_by_the_clock_and_their_rotation(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c", every=0.0)
    toy = Toy()
    train(job(toy), checkpoints=kept)
    assert [p.name for p in sorted(kept.folder.iterdir())] == ["step-00000029", "step-00000030"]
    assert all(atomic.is_complete(p, verify=True) for p in kept.folder.iterdir())
    again = Toy()
    trained = train(job(again), checkpoints=Checkpoints(kept.folder))
    assert trained.resumed == 30
    assert facts(again, trained) == whole("plain", False)
    kept.remove()
    assert not kept.folder.exists()


# ---- damage


def interrupted(folder: Path, at: int = 13, every: float = 0.0) -> Checkpoints:
    kept = Checkpoints(folder, every=every)
    with pytest.raises(KeyboardInterrupt):
        train(job(Stops(at)), checkpoints=kept)
    return kept


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "no marker"])
@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(file: str, damage: str, tmp_path: Path) -> None:
    kept = interrupted(tmp_path / "c")
    before, newest = sorted(kept.folder.iterdir())
    path = newest / ("COMPLETE" if damage == "no marker" else file)
    content = bytearray(path.read_bytes())
    if damage in {"gone", "no marker"}:
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2] if damage == "cut" else b"")
    toy, events = Toy(), []
    trained = train(job(toy), checkpoints=Checkpoints(kept.folder), listen=events.append)
    assert trained.resumed == int(before.name.removeprefix("step-"))
    assert facts(toy, trained) == whole("plain", False)
    assert [event["checkpoint"] for event in events if event["event"] == "damaged"] == [newest.name]


def test_the_only_checkpoint_stays_until_the_next_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = interrupted(tmp_path / "c", every=60.0)
    (only,) = kept.folder.iterdir()

    def cut_off(*_: Any) -> None:
        assert atomic.is_complete(only, verify=True)
        raise SystemExit("the power is gone")

    monkeypatch.setattr(atomic, "publish_folder", cut_off)
    with pytest.raises(SystemExit):
        train(job(Stops(0)), checkpoints=Checkpoints(kept.folder))  # gone on with, and stopped before another step
    monkeypatch.undo()
    with pytest.raises(KeyboardInterrupt):
        train(job(Stops(0)), checkpoints=Checkpoints(kept.folder))
    assert sorted(path.name for path in kept.folder.iterdir()) == [only.name, f"{only.name}.0001"]
    (only / "state.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt):
        train(job(Stops(0)), checkpoints=Checkpoints(kept.folder))
    toy = Toy()
    trained = train(job(toy), checkpoints=Checkpoints(kept.folder))
    assert trained.resumed == int(only.name.removeprefix("step-"))
    assert facts(toy, trained) == whole("plain", False)


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "c" / ".step-00000003.tmp-1"
    left.mkdir(parents=True)
    interrupted(tmp_path / "c")
    assert not left.exists()


def test_no_room_for_a_checkpoint_is_said_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(atomic, "_free_bytes", lambda folder: 1000)
    train(job(Toy()), checkpoints=Checkpoints(tmp_path / "c"), listen=events.append)  # too short to write one
    kinds = [event["event"] for event in events]
    assert kinds.index("no-room") < kinds.index("step")


def test_with_every_checkpoint_damaged_it_begins_anew(tmp_path: Path) -> None:
    kept = interrupted(tmp_path / "c")
    for path in kept.folder.glob("*/state.json"):
        path.write_text("{}")
    toy = Toy()
    trained = train(job(toy), checkpoints=Checkpoints(kept.folder))
    assert trained.resumed == 0
    assert facts(toy, trained) == whole("plain", False)


# ---- another run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 0.1}, "learning rate was 0.05, is 0.1"),
        ({"seed": 3}, "seed was 0, is 3"),
        ({"rows_per_step": 5}, "train.rows_per_step was 4, is 5"),
        ({"optimiser": "sgd"}, "other train.optimiser"),
    ],
)
def test_another_setting_is_refused_by_name(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    kept = interrupted(tmp_path / "c")
    with pytest.raises(TailorError, match="an interrupted run of something else") as fault:
        train(job(Toy(), **change), checkpoints=kept)
    assert fault.value.got == said
    assert str(kept.folder) in str(fault.value.hint)


def test_other_rows_and_other_base_weights_are_refused(tmp_path: Path) -> None:
    kept = interrupted(tmp_path / "c")
    other = job(Toy())
    other.lesson.fingerprint = "other rows"
    other.base = "another"
    with pytest.raises(TailorError) as fault:
        train(other, checkpoints=kept)
    assert "other rows" in str(fault.value.got)
    assert "base weights was , is another" in str(fault.value.got)


# ---- disks and kills


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = interrupted(tmp_path / "c")
    names = sorted(p.name for p in kept.folder.iterdir())
    monkeypatch.setattr(checkpoint, "save_file", _no_space)
    with pytest.raises(atomic.DiskFull):
        train(job(Toy()), checkpoints=Checkpoints(kept.folder, every=0.0))
    assert sorted(p.name for p in kept.folder.iterdir()) == names


def _no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_small_real_disk(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    words = [mount, "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    made = mount and os.geteuid() == 0 and not subprocess.run(words, capture_output=True).returncode
    if not made:
        pytest.skip("needs the right to mount a small file system")
    try:
        kept = interrupted(place / "c")
        names = sorted(p.name for p in kept.folder.iterdir())
        filler = place / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(place).free - 8192))
        with pytest.raises(atomic.DiskFull):
            train(job(Toy()), checkpoints=Checkpoints(kept.folder, every=0.0))
        assert sorted(p.name for p in kept.folder.iterdir()) == names
        filler.unlink()
        toy = Toy()
        assert facts(toy, train(job(toy), checkpoints=Checkpoints(kept.folder))) == whole("plain", False)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import os, random, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from toy import Toy, job
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.loop import train

def run(listen=lambda event: None):
    train(job(Toy(), epochs=400), checkpoints=Checkpoints(Path({folder!r}), every=0.0), listen=listen)
"""
ALONE = """
run(lambda event: print(event["event"], flush=True))
"""
# Each child goes on where the one before was killed: at a random moment, most of which fall into the writing of a checkpoint.
KILLED = """
train(job(Toy(), epochs=1))  # what is imported on first use, once for all children
chance, steps = random.Random(0), []
for _ in range(20):
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    time.sleep(0.05 + 0.15 * chance.random())
    os.kill(child, 9)
    os.waitpid(child, 0)
    found = Checkpoints(Path({folder!r})).newest(job(Toy(), epochs=400).identity())
    steps.append(found.step if found else 0)
print(steps)
"""


def program(folder: Path, code: str) -> list[str]:
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), str(here.parents[1] / "src")]
    return [sys.executable, "-c", (PROGRAM + code).format(paths=paths, folder=str(folder))]


def test_killed_twenty_times_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    said = subprocess.run(program(tmp_path / "c", KILLED), capture_output=True, text=True, check=True).stdout
    steps = json.loads(said)
    assert len(steps) == 20
    assert steps == sorted(steps), "no checkpoint that was there is lost"
    assert steps[-1] > 5, "it comes on"
    plain, toy = Toy(), Toy()
    expected = facts(plain, train(job(plain, epochs=400)))
    trained = train(job(toy, epochs=400), checkpoints=Checkpoints(tmp_path / "c"))
    assert trained.resumed == steps[-1]
    assert facts(toy, trained) == expected


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(program(folder, ALONE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def steps_of(running: subprocess.Popen[str], count: int) -> None:
    assert running.stdout is not None
    seen = 0
    for line in running.stdout:
        seen += line.strip() == "step"
        if seen >= count:
            return
    raise AssertionError(running.stderr.read() if running.stderr else "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_it_with_a_checkpoint(number: int, tmp_path: Path) -> None:
    running = started(tmp_path / "c")
    steps_of(running, 10)
    begun = time.monotonic()
    running.send_signal(number)
    _, errors = running.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert "KeyboardInterrupt" in errors
    found = Checkpoints(tmp_path / "c").newest(job(Toy(), epochs=400).identity())
    assert found is not None
    assert found.step >= 10
    assert not [p for p in (tmp_path / "c").iterdir() if p.name.startswith(".")]


def test_nothing_private_is_in_a_checkpoint(tmp_path: Path) -> None:
    kept = interrupted(tmp_path / "c")
    state = json.loads((sorted(kept.folder.iterdir())[-1] / "state.json").read_text())
    assert set(state) == {"format", "step", "identity", "state"}
    assert "r13" not in json.dumps(state)
    assert np.isfinite(state["state"]["seconds"])


@pytest.mark.parametrize("turned", [RuntimeError, None], ids=["another-error", "swallowed"])
def test_a_signal_that_a_library_turns_into_something_else_still_stops_it(
    turned: type[Exception] | None, tmp_path: Path
) -> None:
    class Turns(Toy):
        def scores(self, index: Any) -> torch.Tensor:
            if len(self.asked) == 7:
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    if turned is not None:
                        raise turned("an error of its own") from None
            return super().scores(index)

    kept = Checkpoints(tmp_path / "c")
    with pytest.raises(KeyboardInterrupt):
        train(job(Turns()), checkpoints=kept)
    toy = Toy()
    trained = train(job(toy), checkpoints=kept)
    assert trained.resumed == (7 if turned else 8)
    assert facts(toy, trained) == whole("plain", False)
