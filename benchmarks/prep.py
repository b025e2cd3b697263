"""A whole `tailor prep` with its default steps, beside datatrove with the steps it has: seconds, peak memory, rows left.

    python benchmarks/prep.py [--rows 20000] [--rounds 2] [--data ../shared/data] [--tools tailorlm;datatrove] [--workers 2]

Rows come from `prep_rows.py` (real sentences, copies, dirt, made-up addresses) and lie in one JSON Lines file. `tailorlm` runs
`prepare` with nothing set: read, repair, filter, deduplicate, redact, split, audit, and writes rows, dropped rows, manifest and audit.
`datatrove` runs the nearest it has: read, FTFY, a filter by length, MinHash duplicates (its defaults but for sentences: runs of five
characters, since a row holds few words), e-mail and IP addresses masked, written; one process, no split, no audit, no
record of what was dropped. Every measurement is a process of its own, in turns (A B A B). Peak memory is that of the process and all
its children together, looked at five times a second. datatrove is left out where it is not installed
(`pip install datatrove tokenizers regex ftfy orjson 'xxhash<4'`); `--python` names another interpreter to run it with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import prep_rows


def main() -> None:
    """Make the rows, measure every tool in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tools", default="tailorlm;datatrove")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has datatrove")
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one[0], Path(args.one[1]), args.workers)))
        return
    found: dict[str, list[dict[str, float]]] = {tool: [] for tool in args.tools.split(";")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        prep_rows.write(args.data, args.rows, file)
        print(f"{args.rows:,} rows, {file.stat().st_size / 1e6:.0f} MB, {args.workers} processes for tailorlm\n")
        for number in range(args.rounds):
            for tool in list(found):
                try:
                    found[tool].append(alone(tool, file, args))
                except subprocess.CalledProcessError:
                    print(f"{tool}: left out (is it installed?)")
                    del found[tool]
                    continue
                print(f"round {number + 1}, {tool}: {found[tool][-1]}", file=sys.stderr, flush=True)
    print("| tool | wall s, all rounds | processor s (spread) | µs a row | peak MB, all processes | rows left |")
    print("|---|---|---|---|---|---|")
    for tool, rounds in found.items():
        cpu = [one["cpu"] for one in rounds]
        walls = ", ".join(f"{one['wall']:.0f}" for one in rounds)
        print(
            f"| {tool} | {walls} | {statistics.median(cpu):.1f} ({min(cpu):.1f} to {max(cpu):.1f}) | "
            f"{statistics.median(cpu) / args.rows * 1e6:.0f} | {max(one['memory'] for one in rounds):.0f} | {rounds[-1]['left']:,.0f} |"
        )


def alone(tool: str, file: Path, args: argparse.Namespace) -> dict[str, float]:
    """One measurement in a process of its own."""
    python = args.python if tool == "datatrove" else sys.executable
    command = [python, __file__, "--one", tool, str(file), "--workers", str(args.workers)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(tool: str, file: Path, workers: int) -> dict[str, float]:
    """Run one tool, and what it took with all its children."""
    peak = [0]
    threading.Thread(target=watch, args=(peak,), daemon=True).start()
    run: Callable[[Path, Path, int], int] = {"tailorlm": tailorlm, "datatrove": datatrove}[tool]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        left = run(file, Path(folder), workers)
    wall = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"wall": wall, "cpu": sum(u.ru_utime + u.ru_stime for u in used), "memory": peak[0] / 1e6, "left": left}


def watch(peak: list[int]) -> None:
    """Keep the most memory that this process and its children have held together (Linux)."""
    while True:
        held = 0
        for process in (os.getpid(), *children(os.getpid())):
            try:
                status = Path(f"/proc/{process}/statm").read_text()
            except OSError:
                continue
            held += int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        peak[0] = max(peak[0], held)
        time.sleep(0.2)


def children(process: int) -> list[int]:
    """The child processes of a process (one level: workers start none)."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def tailorlm(file: Path, folder: Path, workers: int) -> int:
    """Ours, with nothing set."""
    from tailorlm.data.prep import PrepSettings, prepare

    manifest = prepare(PrepSettings(rows=(str(file),)), folder / "out", workers=workers)
    for step in manifest["steps"]:
        print(step["step"], step["seconds"], step["rows_out"], file=sys.stderr)
    return int(manifest["written"]["rows"])


def datatrove(file: Path, folder: Path, workers: int) -> int:
    """datatrove's own parts, stage behind stage as its minhash example has them, in one process."""
    import logging

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.logging import logger
    from datatrove.utils.word_tokenizers import WordTokenizer

    logger.remove()
    logging.disable()

    class Characters(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return list(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    config = MinhashConfig(n_grams=5)
    at = {name: str(folder / name) for name in ("clean", "signatures", "buckets", "removed", "out", "logs")}

    def stage(name: str, *parts: object, tasks: int = 1) -> None:
        LocalPipelineExecutor(
            list(parts), tasks=tasks, workers=1, logging_dir=f"{at['logs']}/{name}", skip_completed=False
        ).run()

    read = JsonlReader(str(file.parent), glob_pattern=file.name, id_key="id")
    clean = LambdaFilter(lambda document: any(map(str.isalnum, document.text)))
    stage("clean", read, FTFYFormatter(), clean, JsonlWriter(at["clean"], compression=None))
    again = JsonlReader(at["clean"], compression=None)
    stage("signatures", again, MinhashDedupSignature(at["signatures"], config, language=Characters()))
    buckets = MinhashDedupBuckets(at["signatures"], at["buckets"], config=config, lines_to_buffer=1000)
    stage("buckets", buckets, tasks=config.num_buckets)
    stage("cluster", MinhashDedupCluster(at["buckets"], at["removed"], config=config, lines_to_buffer=1000))
    again = JsonlReader(at["clean"], compression=None)
    stage("write", again, MinhashDedupFilter(at["removed"]), PIIFormatter(), JsonlWriter(at["out"], compression=None))
    return sum(path.read_bytes().count(b"\n") for path in Path(at["out"]).glob("*"))


if __name__ == "__main__":
    main()
