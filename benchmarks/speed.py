"""The speed table: all that is measured beside others, in turns, each measurement a process of its own.

    python benchmarks/speed.py [--out tailor-runs/speed] [--rounds 2] [--threads 1,2] [--rows 16] [--trl-python PYTHON_WITH_TRL]
        [--data ../shared/data] [--parts encoder,completion,completion-15m,completion-lora,features,top,classify]

Takes the measurements of training_speed.py, completion_speed.py, frozen_speed.py and classify_speed.py, which say what is compared, and prints one
table. Ratios are of processor seconds at one thread and of wall time at more, the middle of the rounds with the least and the largest. Every
result is kept in `--out` as it comes, so that a stopped run goes on; another version of the program wants another folder. `--rows` gives all
measurements as few rows as it says, to try the command. Completions are left out without `--trl-python`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import classify_speed
import completion_speed
import frozen_speed
import training_speed
from kept import Kept
from turns import Run, alone, faster, furthest, spread


@dataclass(frozen=True)
class Part:
    """Measurements of a script. ways: in their turns, with how many times faster than each ours was to be (0 where nothing was said).

    named: ways in words. unit: what is counted. few: rows of ways that are too slow for all. keeps: whether it keeps something between its
    measurements.
    """

    workload: str
    script: ModuleType
    named: Mapping[str, str]
    ways: Mapping[str, float]
    unit: str
    rows: int
    few: Mapping[str, int] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    keeps: bool = False
    came_out: Callable[[Run, Run], str] = furthest


def completions(shape: str, workload: str, ways: Mapping[str, float]) -> Part:
    """Measurements of completion_speed.py for one shape."""
    asked = ("--shapes", shape)
    return Part(workload, completion_speed, completion_speed.WAYS, ways, "tokens", rows=128, asked=asked, keeps=True)


def frozen(part: str, workload: str, aim: float, passes: int, *others: str) -> Part:
    """Measurements of one part of frozen_speed.py."""
    asked = ("--parts", part, *others, "--passes", f"{part}={passes}")
    return Part(
        workload, frozen_speed, frozen_speed.WAYS[part], {"ours": 0, "plain": aim}, "tokens", rows=512, asked=asked
    )


PARTS = {
    "encoder": Part(
        "classification, starter encoder, full",
        training_speed,
        training_speed.WAYS,
        {"ours": 0, "grouped": 2.5, "grouped-bf16": 2.5, "trainer": 10, "padded": 20},
        "tokens",
        rows=1024,
        few={"grouped-bf16": 64, "padded": 64},
        came_out=training_speed.came_out,
    ),
    "completion": completions(
        "60m", "completions, Llama shape of 60M, full", {"trl-packed": 2.8, "ours": 0, "trl-plain": 6}
    ),
    "completion-15m": completions("15m", "completions, Llama shape of 15M, full", {"trl-packed": 5, "ours": 0}),
    "completion-lora": completions("60m-lora", "completions, 60M, LoRA of rank 8", {"trl-packed": 2.8, "ours": 0}),
    "features": frozen("features", "head over the frozen encoder, 8 settings of 3 passes", 20, 3, "--settings", "8"),
    "top": frozen("top", "top block of 6, 10 passes, float32", 2.3, 10),
    "classify": Part(
        "answering, starter encoder",
        classify_speed,
        classify_speed.WAYS,
        {"ours": 0, "one": 3.5, "eight": 0, "many": 0},
        "texts",
        rows=2000,
        keeps=True,
        came_out=classify_speed.came_out,
    ),
}


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tailor-runs/speed"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", default="1,2", help="how many, for each pass over everything")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--rows", type=int, help="of every measurement, in place of what each has")
    parser.add_argument("--trl-python", help="an interpreter that has trl")
    parser.add_argument("--data", type=Path, help="a folder that holds dolly_open_qa")
    args = parser.parse_args()
    names = [name for name in args.parts.split(",") if args.trl_python or PARTS[name].script is not completion_speed]
    threads = [int(number) for number in args.threads.split(",")]
    kept = Kept(args.out)
    found = {(name, number): rounds(kept, name, number, args) for number in threads for name in names}
    heads = [
        f"{n} thread(s), {'processor' if n == 1 else 'wall'}: faster | seconds, ours | seconds, theirs" for n in threads
    ]
    print("| workload | beside | aimed for | " + " | ".join(heads) + " | peak memory | came out |")
    print("|---|---|---|" + "---|---|---|" * len(threads) + "---|---|")
    for name in names:
        for way in PARTS[name].ways:
            if way != "ours":
                print(line(PARTS[name], way, {number: found[name, number] for number in threads}))


def rounds(kept: Kept, name: str, threads: int, args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of a part by way, in turns; those that are not kept yet are made."""
    part = PARTS[name]
    found: dict[str, list[Run]] = {way: [] for way in part.ways}
    for number in range(args.rounds):
        for way, runs in found.items():
            asked = ["--rows", str(args.rows or part.few.get(way, part.rows)), *part.asked]
            asked += ["--data", str(args.data)] if args.data and part.script is completion_speed else []
            key = f"{name} {way} {' '.join(asked)}, {threads} thread(s), round {number + 1}"
            # What ways share belongs to these rows.
            asked += ["--work", str(args.out / f"{name}-{args.rows or part.rows}")] if part.keeps else []
            python = args.trl_python if way.startswith("trl-") else sys.executable
            kept.make(key, lambda a=asked, w=way, p=python: measured(part, w, a, threads, p))
            runs.append(kept.done[key])
    return found


def measured(part: Part, way: str, asked: list[str], threads: int, python: str) -> Run:
    """One measurement."""
    assert part.script.__file__
    return alone(part.script.__file__, "--measure", way, *asked, threads=threads, python=python)


def line(part: Part, way: str, found: Mapping[int, Mapping[str, list[Run]]]) -> str:
    """A line of the table: ours beside one other way. found: runs by threads and way."""
    cells = [part.workload, part.named[way], f"{part.ways[way]:g}" if part.ways[way] else ""]
    for threads, runs in found.items():
        ours, other, clock = runs["ours"], runs[way], "cpu" if threads == 1 else "wall"
        cells.append(spread(faster(ours, other, part.unit, clock), ".2f"))
        cells += [
            f"{spread(run[clock] for run in some)} for {some[0][part.unit]:,} {part.unit}" for some in (ours, other)
        ]
    first = next(iter(found.values()))
    memory = [max(run["peak_mb"] for run in first[name]) for name in ("ours", way)]
    cells.append(f"{memory[0] / memory[1]:.2f} ({memory[0]:,} of {memory[1]:,} MB)")
    return f"| {' | '.join([*cells, part.came_out(first['ours'][0], first[way][0])])} |"


if __name__ == "__main__":
    main()
