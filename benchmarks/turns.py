"""Measurements that take turns, each in a process of its own, and what they say beside each other."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kept import numbers

# What one process measured: `cpu` and `wall` seconds, `peak_mb`, how much was done under the name of its unit, and what came out.
Run = dict[str, Any]


def alone(script: str | Path, *arguments: object, threads: int = 1, python: str = sys.executable) -> Run:
    """What the script prints last, which is JSON, from a process of its own. SystemExit with its last words where it fails."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [python, str(script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(call: Callable[[], Any]) -> tuple[Any, Run]:
    """What a call gives, with its seconds of the processor and of the clock, and the peak of this process's memory up to here."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found, {"cpu": round(cpu, 3), "wall": round(wall, 3), "peak_mb": round(peak)}


def in_turns(names: Iterable[str], rounds: int, measure: Callable[[str], Run]) -> dict[str, list[Run]]:
    """Every way once, then every way again: its runs, by round."""
    found: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        for name, runs in found.items():
            runs.append(measure(name))
            print(f"round {number + 1}, {name}: {numbers(runs[-1])}", file=sys.stderr, flush=True)
    return found


def faster(ours: list[Run], other: list[Run], unit: str, clock: str) -> list[float]:
    """How many times faster ours was, round by round: `unit`s a second of `clock` (`cpu` or `wall`)."""
    return [(a[unit] / a[clock]) / (b[unit] / b[clock]) for a, b in zip(ours, other, strict=True)]


def spread(values: Iterable[float], form: str = ".1f") -> str:
    """The middle of some values, and the least and the largest where there are several."""
    found = sorted(values)
    middle = format(statistics.median(found), form)
    return middle if len(found) == 1 else f"{middle} ({found[0]:{form}} to {found[-1]:{form}})"


def table(
    found: Mapping[str, list[Run]],
    named: Mapping[str, str],
    unit: str,
    threads: int,
    came_out: Callable[[Run, Run], str],
) -> None:
    """Print what ways took, the first of them being ours. came_out: what there is to say of the outcome of another run beside that of ours.

    The ratio is of processor seconds at one thread, of wall time at more.
    """
    clock = "cpu" if threads == 1 else "wall"
    ours = next(iter(found.values()))
    print(f"| way | processor seconds | wall seconds | {unit} | {unit} a second | peak memory | ours is | came out |")
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        speed = statistics.median(run[unit] / run[clock] for run in runs)
        times = " | ".join(spread(run[key] for run in runs) for key in ("cpu", "wall"))
        memory = max(run["peak_mb"] for run in runs)
        told = " | "
        if runs is not ours:
            told = f"{spread(faster(ours, runs, unit, clock), '.2f')} times faster | {came_out(ours[0], runs[0])}"
        print(f"| {named[name]} | {times} | {runs[0][unit]:,} | {speed:,.0f} | {memory:,} MB | {told} |")
    print(flush=True)


def furthest(ours: Run, other: Run) -> str:
    """How far apart two runs' losses are at the step where they are furthest, and the last loss."""
    if len(ours["losses"]) != len(other["losses"]):
        return f"{len(other['losses'])} steps, {len(ours['losses'])} of ours"
    apart = max(abs(a - b) for a, b in zip(ours["losses"], other["losses"], strict=True))
    return f"losses at most {apart:.1e} apart, the last {other['losses'][-1]:.4f} and {ours['losses'][-1]:.4f}"


def last_quarter(losses: list[float]) -> float:
    """Mean loss of the last quarter of the steps."""
    return statistics.fmean(losses[-max(1, len(losses) // 4) :])


def by_way(text: str) -> dict[str, int]:
    """`a=1,b=2` as numbers by way."""
    return {name: int(number) for name, _, number in (pair.partition("=") for pair in text.split(",") if pair)}
