"""Checkpoints: everything a run needs to go on as if it had never been stopped, written whole or not at all.

One folder a checkpoint, `step-00000120/`: `tensors.safetensors` (weights that learn, the best ones so far, the optimiser's state, the
running average, the random generators) and `state.json` (place in the data, scores, what the run is). No pickle. A folder counts only
with its `COMPLETE` marker, whose hashes are looked at before it is believed; the newest that holds is taken.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError

FORMAT, KEPT = 2, 2
PREFIX = "step-"


@dataclass(frozen=True)
class Snapshot:
    """A run at the border of two steps: `tensors` by name, `state` as plain data, `identity` saying which run it is."""

    step: int
    identity: Mapping[str, Any]
    state: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass
class Checkpoints:
    """The checkpoints of one run, in one folder of their own.

    every: minutes between two of them. The two newest are kept. A run that is interrupted writes one more.
    """

    folder: Path
    every: float = 5.0

    def __post_init__(self) -> None:
        self._written = time.monotonic()
        self.damaged: list[str] = []

    def of_stage(self, number: int) -> Checkpoints:
        """Where stage `number` (from 1) is kept: each behind the first in a folder of its own."""
        return self if number == 1 else replace(self, folder=self.folder / f"stage-{number}")

    @property
    def due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() - self._written >= self.every * 60

    def save(self, snapshot: Snapshot) -> Path:
        """Publish a checkpoint, then remove older ones. DiskFull when there is no room; those that were there stay."""
        final = self._place(snapshot.step)
        self._written = time.monotonic()
        self._sweep()
        self.check_space(sum(tensor.numel() * tensor.element_size() for tensor in snapshot.tensors.values()))
        temp = self.folder / f".{final.name}.tmp-{os.getpid()}"
        try:
            with atomic.disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                atomic.remove_folder(temp)
                temp.mkdir()
                _write_tensors(temp / "tensors.safetensors", snapshot.tensors)
                record = {
                    "format": FORMAT,
                    "step": snapshot.step,
                    "identity": snapshot.identity,
                    "state": snapshot.state,
                }
                (temp / "state.json").write_text(json.dumps(record), encoding="utf-8")
            atomic.publish_folder(temp, final)
        finally:
            atomic.remove_folder(temp)
        self._rotate()
        return final

    def check_space(self, size: int) -> None:
        """DiskFull unless a checkpoint whose tensors have so many bytes has room beside those that are there."""
        atomic.check_space(self.folder, size + (1 << 16))

    def newest(self, identity: Mapping[str, Any]) -> Snapshot | None:
        """The newest whole checkpoint of this run, None where there is none.

        A damaged one is passed over for the one before it; `damaged` then names it. Raises TailorError when the newest whole one
        belongs to another run, naming each difference: going on would give a model that no settings describe.
        """
        self.damaged = []
        for folder in sorted(self.folder.glob(f"{PREFIX}*"), reverse=True):
            found = _read(folder) if atomic.is_complete(folder, verify=True) else None
            if found is None:
                self.damaged.append(folder.name)
                continue
            differing = _differences(json.loads(json.dumps(found.identity)), json.loads(json.dumps(identity)))
            if differing:
                raise TailorError(
                    f"{self.folder} holds an interrupted run of something else",
                    got="; ".join(differing),
                    hint=f"put these back to go on with it, or remove {self.folder} to begin anew",
                )
            return found
        return None

    def remove(self) -> None:
        """Remove them all: the run has come to its end."""
        atomic.remove_folder(self.folder)

    def _place(self, step: int) -> Path:
        """Where a checkpoint of this step goes. The same step comes once more after going on from it: the one that is there may be
        the only one, so it stays until the next is whole; its name sorts before."""
        name = f"{PREFIX}{step:08d}"
        taken = [int(folder.name.partition(".")[2] or 0) for folder in self.folder.glob(f"{name}*")]
        return self.folder / (f"{name}.{max(taken) + 1:04d}" if taken else name)

    def _sweep(self) -> None:
        """Remove what killed writers left half-written; one process at a time writes here."""
        for folder in self.folder.glob(f".{PREFIX}*.tmp-*"):
            atomic.remove_folder(folder)

    def _rotate(self) -> None:
        whole = [f for f in sorted(self.folder.glob(f"{PREFIX}*")) if atomic.is_complete(f)]
        for folder in whole[:-KEPT]:
            atomic.remove_folder(folder)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Two names may share memory (tied weights) or be a part of a larger piece, which the format refuses. The rest is not copied:
    # weights, moments and the best pass's weights once more may be more than there is.
    seen: set[int] = set()
    for name, tensor in flat.items():
        whole = tensor.untyped_storage()
        if whole.data_ptr() in seen or whole.nbytes() != tensor.numel() * tensor.element_size():
            flat[name] = tensor.clone()
        seen.add(whole.data_ptr())
    try:
        save_file(flat, path)
    except SafetensorError as error:
        raise OSError(28 if "No space" in str(error) else 5, str(error)) from None


def _read(folder: Path) -> Snapshot | None:
    try:
        record = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            return None
        with safe_open(folder / "tensors.safetensors", framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        return Snapshot(int(record["step"]), record["identity"], record["state"], tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted({*then, *now}):
        if name not in then and name.startswith(("weights.", "objective.")):
            continue  # kept before these were told
        if then.get(name) != now.get(name):
            both = str(then.get(name)), str(now.get(name))
            short = all(len(text) <= 40 for text in both)
            found.append(f"{name} was {both[0]}, is {both[1]}" if short else f"other {name}")
    return found


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators that a model on this device draws from, as byte tensors by name.

    Of several GPUs only the model's own: to ask another one opens it, and a machine that goes on may have fewer.
    """
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put the generators back to what `random_states` returned, on a device of the same kind."""
    torch.set_rng_state(states["random.cpu"].cpu())
    if device.type == "cuda" and "random.cuda" in states:
        torch.cuda.set_rng_state(states["random.cuda"].cpu(), device)
