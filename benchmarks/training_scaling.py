"""How training grows: tokens a second and memory against rows, against length, and against processes.

    python benchmarks/training_scaling.py [--rows 1000,10000,100000,1000000] [--lengths 64,512,2048,8192] [--processes 1,2] [--steps 60]

A small BERT shape with random weights (2 blocks, width 128) and rows of random tokens; so many steps of the real loop are taken, no more.
Every measurement is a process of its own with one thread. Bytes a row: what the process holds more than with the fewest rows, for each
row more (tokens, targets, order, losses, names).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VOCABULARY, LABELS, ROWS_A_STEP = 8000, 4, 16
TYPICAL = 40


def main() -> None:
    """Run all measurements and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000,10000,100000,1000000")
    parser.add_argument("--lengths", default="64,512,2048,8192")
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--measure", nargs=2, type=int, metavar=("ROWS", "LENGTH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure, args.steps)))
        return
    table("rows", [(n, alone(n, TYPICAL, args.steps)) for n in numbers(args.rows)])
    table(
        "tokens a row",
        [(n, alone(max(64, 4 * ROWS_A_STEP), n, max(4, args.steps * 64 // n))) for n in numbers(args.lengths)],
    )
    table("processes", [(n, alone(2000, TYPICAL, args.steps, n)) for n in numbers(args.processes)])


def numbers(text: str) -> list[int]:
    """`1,2` as numbers."""
    return [int(word) for word in text.split(",") if word]


def table(what: str, found: list[tuple[int, dict[str, float]]]) -> None:
    """Print one table."""
    if not found:
        return
    print(f"| {what} | tokens a second | peak memory | before the first step | bytes a row |\n|---|---|---|---|---|")
    least = found[0][1]
    for number, f in found:
        more = f["rows"] - least["rows"]
        a_row = f"{(f['peak'] - least['peak']) / more:,.0f}" if more > 0 else ""
        print(
            f"| {number:,} | {f['speed']:,.0f} | {f['peak'] / 1e6:,.0f} MB | {f['before']:.1f} s | {a_row} |",
            flush=True,
        )
    print()


def alone(rows: int, length: int, steps: int, processes: int = 1) -> dict[str, float]:
    """One measurement, in a process of its own, or in several."""
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    command = [sys.executable, *launch, __file__, "--measure", str(rows), str(length), "--steps", str(steps)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[0])
    return found


def measure(rows: int, length: int, steps: int) -> dict[str, float]:
    """Tokens a second over the steps, peak memory, and seconds before the first step."""
    import numpy as np
    import torch

    from tailorlm.core.memory import PeakMemory
    from tailorlm.models.encoder import TextModel
    from tailorlm.models.heads import Linear
    from tailorlm.models.resolve import BaseModel
    from tailorlm.objectives.labels import Labels
    from tailorlm.tasks.readings import Ragged, Readings
    from tailorlm.training.job import Job
    from tailorlm.training.lesson import LabelLesson
    from tailorlm.training.loop import train
    from tailorlm.training.processes import join
    from tailorlm.training.settings import TrainSettings
    from tailorlm.training.source import TokenSource

    if join()[0]:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the first process speaks
    random = np.random.default_rng(0)
    model = TextModel(BaseModel("random", Path(), "random"), body(length), Padding(), "mean", length)  # type: ignore[arg-type]
    model.head = Linear.fresh(model.width, LABELS, dropout=0.0, generator=torch.Generator().manual_seed(0))
    sizes = np.clip(random.lognormal(np.log(length * 0.9), 0.1, rows), 2, length).astype(int)
    tokens = Ragged(random.integers(1, VOCABULARY, size).tolist() for size in sizes)
    seen: list[tuple[float, int]] = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            seen.append((time.perf_counter(), event["tokens"]))

    start = time.perf_counter()
    with PeakMemory() as peak:
        source = TokenSource(model, Readings(tokens))
        lesson = LabelLesson(source, Labels(Labels.Settings()), np.arange(rows) % LABELS, "one")
        names = [name for name, _ in model.named_parameters() if "pooler" not in name]
        settings = TrainSettings(epochs=1, rows_per_step=ROWS_A_STEP)
        ids = [f"rows.csv:{i}" for i in range(rows)]
        job = Job(lesson, names, ids, settings, 1e-4, 0, order=FirstSteps(source.lengths, steps))
        train(job, listen=listen)
    if not seen:  # a process that helps hears nothing
        return {}
    spent = seen[-1][0] - seen[0][0]
    speed = sum(count for _, count in seen[1:]) / spent
    return {"rows": rows, "speed": speed, "peak": peak.bytes, "before": seen[0][0] - start}


def body(length: int) -> Any:
    """A BERT of 2 blocks with positions for this length."""
    from transformers import BertConfig, BertModel

    shape = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertModel(BertConfig(vocab_size=VOCABULARY, max_position_embeddings=length, **shape, **still))


class Padding:
    """Stands for a tokenizer: rows are tokens already."""

    pad_token_id = 0


class FirstSteps:
    """The first so many steps of the seeded order of all rows."""

    def __init__(self, lengths: Any, count: int):
        from tailorlm.training.order import SeededOrder

        self.order, self.count = SeededOrder(lengths, ROWS_A_STEP, 0), count

    def steps(self, epoch: int) -> list[list[int]]:
        """Its first steps."""
        return self.order.steps(epoch)[: self.count]

    def total(self, epochs: int) -> int:
        """How many there are."""
        return min(self.count, self.order.total(1)) * epochs


if __name__ == "__main__":
    main()
