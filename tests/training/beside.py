"""Scenarios that run on one process or on several: `python beside.py FOLDER BASE SCENARIO...` writes FOLDER/SCENARIO-RANK.json.

Started by `test_processes.py`, with the environment that `torchrun` gives its processes; each scenario is a function here, so that the
test can run the same one alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import label_scores
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Job, Score
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.processes import join
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights.full import Full
from tailorlm.weights.lora import LoRA
from tiny import labelled

ROWS, VALIDATION = labelled(22, 3), labelled(9, 3, start=40)
Result = dict[str, Any]


class Twice:
    """Steps that hold a row twice, as draws do."""

    def steps(self, epoch: int) -> Sequence[list[int]]:
        """The same in every pass."""
        return [[i, i, (i + 7) % len(ROWS.texts), (i + 3) % len(ROWS.texts)] for i in range(6)]

    def total(self, epochs: int) -> int:
        """Six a pass."""
        return 6 * epochs


class Disturbed(LabelLesson):
    """A lesson in which something happens at the `at`-th call, on the last process alone."""

    at, what, calls = -1, "", 0

    def losses(self, index: Sequence[int]) -> Tensor:
        self.calls += 1
        if self.calls == self.at and join()[0] == join()[1] - 1:
            if self.what == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
            if self.what == "memory":
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
            if self.what == "nan":
                return super().losses(index) * float("nan")
        return super().losses(index)


def job(base: Path, *, part: str = "full", dropout: float = 0.0, rows: Any = ROWS, **changes: Any) -> tuple[Any, Job]:
    """A model over the tiny base and its job."""
    model = load_model(resolve(str(base)), labels=rows.labels, max_length=32)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    model.head = Linear.fresh(model.width, 3, dropout=dropout, generator=torch.Generator().manual_seed(0))
    made = {"full": lambda: Full(Full.Settings()), "lora": lambda: LoRA(LoRA.Settings(dropout=dropout))}[part]()
    torch.manual_seed(0)
    names = made.attach(model)
    lesson = Disturbed(TokenSource(model, Readings(model.tokenize(rows.texts))), Labels(Labels.Settings()), rows.codes)
    settings = TrainSettings(**({"epochs": 2, "rows_per_step": 4, "average": 0.5} | changes))
    return model, Job(lesson, names, rows.ids, settings, 1e-3, 0, base="tiny")


def run(base: Path, kept: Path | None = None, *, at: int = -1, what: str = "", **changes: Any) -> Result:
    """Train, and say what came out."""
    model, made = job(base, **changes)
    made.lesson.at, made.lesson.what = at, what  # type: ignore[attr-defined]

    def validate() -> Score:
        scores = label_scores(model, VALIDATION.texts)
        return Score(float((scores.argmax(1) == VALIDATION.codes).mean()), float(np.square(scores).mean()))

    events: list[dict[str, Any]] = []
    checkpoints = Checkpoints(kept) if kept else None
    if checkpoints and what == "clock" and join()[0]:
        checkpoints.every = 0.0
    if what == "unlike" and join()[0]:
        with torch.no_grad():
            model.head.weight += 0.01
    if what == "twice":
        made.order = Twice()
    try:
        result = train(made, validate=validate, listen=events.append, checkpoints=checkpoints)
    except TailorError as fault:
        return {"error": str(fault), "events": len(events)}
    except KeyboardInterrupt:
        return {"interrupted": True, "events": len(events)}
    return {
        "losses": result.losses,
        "row_losses": result.row_losses.tolist(),
        "validation": [[score.value, score.loss] for score in result.validation],
        "weights": {n: p.detach().double().flatten().tolist() for n, p in model.named_parameters() if p.numel() < 4096},
        "plain": all(type(p) is torch.nn.Parameter for p in model.parameters()),
        "scores": label_scores(model, VALIDATION.texts).tolist(),
        "resumed": result.resumed,
        "notes": result.notes,
        "events": len(events),
    }


def scenarios(base: Path, folder: Path) -> dict[str, Any]:
    """Scenario name to a function without arguments."""
    stop = {"at": 8, "what": "signal"}
    other = labelled(22, 3, start=1) if join()[0] else ROWS
    return {
        "copies": lambda: run(base),
        "shards": lambda: run(base, sharding="shards"),
        "lora": lambda: run(base, part="lora", sharding="shards"),
        "clipped": lambda: run(base, sharding="shards", clip=0.05),
        "chance": lambda: run(base, dropout=0.2),
        "stopped-copies": lambda: run(base, folder / "c1", **stop),
        "stopped-shards": lambda: run(base, folder / "c2", sharding="shards", **stop),
        "stopped-chance": lambda: run(base, folder / "c3", dropout=0.2, **stop),
        "on-copies": lambda: run(base, folder / "c4"),
        "on-shards": lambda: run(base, folder / "c5", sharding="shards"),
        "on-chance": lambda: run(base, folder / "c3", dropout=0.2),
        "nan": lambda: run(base, at=6, what="nan"),
        "memory": lambda: run(base, at=3, what="memory", micro_tokens=64),
        "short": lambda: run(base, part="lora", sharding="shards", precision="bf16"),
        "adafactor": lambda: run(base, sharding="shards", optimiser="adafactor"),
        "unlike": lambda: run(base, what="unlike"),
        "clock": lambda: run(base, folder / "c6", what="clock"),
        "twice": lambda: run(base, what="twice"),
        "other": lambda: run(base, rows=other),
    }


def main() -> None:
    """Run the scenarios named on the command line."""
    torch.set_num_threads(1)
    folder, base, *names = sys.argv[1:]
    rank, _ = join()
    for name in names:
        result = scenarios(Path(base), Path(folder))[name]()
        (Path(folder) / f"{name}-{rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
