"""Several tasks over one body: together beside alone, and one after the other with and without something that holds the first.

    python benchmarks/several_tasks.py ../shared/data runs/several-tasks

Together: sentiment of sentences (uci_sentences) and of clothing reviews, 48 train rows each, and intents of a bank (banking77, 10 labels) and of a
home assistant (hwu64, 10 labels), 40 each: every set alone, and both of a pair in one stage (`multi_task`, equal shares), by lora and by full
tuning, with the same passes of every row. One after the other: intents of the bank, then of the assistant, 160 rows each, by full tuning, the second
at five times the rate, so that there is something to forget; nothing, `l2_sp`, `ewc` or `rehearsal` in the second stage, each in three strengths, so
that old scores can be read beside new ones. The starter encoder, 3 seeds (other train rows too), 150 test rows of each set; nothing is chosen on
them. Results are kept in the folder as they come, so that an interrupted run goes on; the tables are over the seeds that are complete.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from kept import Kept

from tailorlm.core.config import validate
from tailorlm.data import read
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples

SEEDS, TEST, LENGTH = (0, 1, 2), 150, 32
PAIRS = (("uci_sentences", "clothing_reviews"), ("banking77", "hwu64"))
ROWS = {"uci_sentences": 48, "clothing_reviews": 48, "banking77": 40, "hwu64": 40}
LABELS = 10  # of the intents, the most frequent ones
SENTIMENT = {"0": "negative", "1": "positive", "negative": "negative", "positive": "positive"}
RATES = {"lora": 5e-4, "full": 5e-5}
STEPS = {"rows_per_step": 8, "epochs": 4}
FIRST, SECOND = 160, 160
HOLDS: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing": ({},),
    "l2_sp": tuple({"part": "l2_sp", "strength": s, "head": 0.0} for s in (0.01, 0.1, 1.0)),
    "ewc": tuple({"part": "ewc", "strength": s} for s in (1e3, 1e4, 1e5)),
    "rehearsal": tuple({"part": "rehearsal", "learn": "labels", "share": s} for s in (0.01, 0.05, 0.25)),
}


def rows_of(data: Path, name: str, part: str) -> list[tuple[str, str]]:
    """Texts and labels of one part of a set, each text once."""
    file = next((data / name).glob(f"{part}.jsonl*"))
    pairs = [(str(row.values["text"]).strip(), str(row.values["label"])) for row in read(str(file))]
    if name in ("uci_sentences", "clothing_reviews"):
        pairs = [(text, SENTIMENT[label]) for text, label in pairs if label in SENTIMENT]
    return list(dict(pairs).items())


def drawn(pairs: list[tuple[str, str]], count: int, seed: int, labels: list[str]) -> list[tuple[str, str]]:
    """So many rows, as many of each label as can be."""
    random_ = random.Random(seed)
    found, each = [], -(-count // len(labels))
    for label in labels:
        some = [pair for pair in pairs if pair[1] == label]
        found += random_.sample(some, min(each, len(some)))
    random_.shuffle(found)
    return found[:count]


class Sets:
    """Train and test rows of every set, as examples and as files."""

    def __init__(self, data: Path, folder: Path):
        self.folder = folder
        self.train = {name: rows_of(data, name, "train") for name in ROWS}
        self.test = {name: rows_of(data, name, "test") for name in ROWS}
        self.labels = {}
        for name, pairs in self.train.items():
            names = [label for _, label in pairs]
            self.labels[name] = sorted(sorted(set(names)), key=lambda label: -names.count(label))[:LABELS]

    def examples(self, name: str, part: str, count: int, seed: int) -> Examples:
        """Rows of a set as its own task has them."""
        pairs = drawn(getattr(self, part)[name], count, seed, self.labels[name])
        texts, gold = zip(*pairs, strict=True)
        return Examples(tuple(f"{name}:{i}" for i in range(len(pairs))), texts, gold, tuple(sorted(self.labels[name])))

    def file(self, name: str, part: str, count: int, seed: int) -> str:
        """The same as a file, for another task."""
        path = self.folder / f"{name}-{part}-{count}-{seed}.jsonl"
        pairs = drawn(getattr(self, part)[name], count, seed, self.labels[name])
        path.write_text("".join(json.dumps({"text": t, "label": g}) + "\n" for t, g in pairs), encoding="utf-8")
        return str(path)

    def other(self, name: str, count: int, seed: int) -> dict[str, Any]:
        """A set as another task, scored on the test rows that it is scored on as the own one."""
        return {"name": name, "rows": self.file(name, "train", count, seed), "test": self.file(name, "test", TEST, 0)}


def scored(sets: Sets, name: str, count: int, stages: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Accuracy of the own task, and what the fit says of the others."""
    task = {"part": "classify", "max_length": LENGTH}
    recipe = validate({"name": "x", "task": task, "stages": stages}, Recipe)
    start = time.perf_counter()
    fitted = fit(recipe, sets.examples(name, "train", count, seed), seed=seed)
    test = sets.examples(name, "test", TEST, 0)
    right = [a.label == g for a, g in zip(fitted.adaptation.predict(test.texts), test.gold, strict=True)]
    return {
        "accuracy": float(np.mean(right)),
        "tasks": dict(fitted.tasks),
        "seconds": round(time.perf_counter() - start, 1),
    }


def jobs(sets: Sets, seed: int) -> Iterator[tuple[str, str, int, list[dict[str, Any]]]]:
    """Key, own set, its rows and stages of everything that is fitted with a seed."""
    for way, settings in HOLDS.items():
        for number, penalty in enumerate(settings):
            plain = {"weights": {"part": "full", "lr": 1e-4}, "train": STEPS}
            first = plain | {"objective": {"part": "intermediate_task", **sets.other("banking77", FIRST, seed)}}
            harder = {"weights": {"part": "full", "lr": 5e-4}, "train": STEPS | {"epochs": 8}}
            second = harder | {"penalties": [penalty] if penalty else []}
            yield f"after {way} {number} {seed}", "hwu64", SECOND, [first, second]
    for own, other in PAIRS:
        for part, lr in RATES.items():
            plain = {"weights": {"part": part, "lr": lr}, "train": STEPS}
            tasks = [sets.other(other, ROWS[other], seed)]
            both = plain | {"objective": {"part": "multi_task", "tasks": tasks, "sampling": "uniform"}}
            yield f"together {own} {part} {seed}", own, ROWS[own], [both]
            for name in (own, other):
                yield f"alone {name} {part} {seed}", name, ROWS[name], [plain]


def main(data: Path, folder: Path) -> None:
    """Fit what is missing, and print both tables after every seed."""
    kept, sets = Kept(folder), Sets(data, folder)
    done = kept.done
    for place, seed in enumerate(SEEDS, 1):
        for key, name, count, stages in jobs(sets, seed):
            kept.make(key, partial(scored, sets, name, count, stages, seed))
        print("\n".join([f"{place} of {len(SEEDS)} seeds", "", *after(done, SEEDS[:place]), ""]), flush=True)
        print("\n".join([*together(done, SEEDS[:place]), ""]), flush=True)


def together(done: dict[str, Any], seeds: tuple[int, ...]) -> Iterator[str]:
    """Scores of every set alone and beside its neighbour, and their difference, seed by seed."""
    yield "| set | beside it | weights | alone | together | difference by seed, points |"
    yield "|---|---|---|---:|---:|---|"
    for own, other in PAIRS:
        for name, beside in ((own, other), (other, own)):
            for part in RATES:
                both = [done[f"together {own} {part} {seed}"] for seed in seeds]
                alone = [100 * done[f"alone {name} {part} {seed}"]["accuracy"] for seed in seeds]
                two = [100 * (one["accuracy"] if name == own else one["tasks"][name]["after"]["1"]) for one in both]
                apart = ", ".join(f"{b - a:+.1f}" for a, b in zip(alone, two, strict=True))
                yield f"| {name} | {beside} | {part} | {mean(alone):.1f} | {mean(two):.1f} | {apart} |"


def after(done: dict[str, Any], seeds: tuple[int, ...]) -> Iterator[str]:
    """Old and new scores behind the second stage."""
    yield "| second stage | setting | new task | old task behind its stage | old task at the end | forgotten by seed, points |"
    yield "|---|---|---:|---:|---:|---|"
    for way, settings in HOLDS.items():
        for number, penalty in enumerate(settings):
            found = [done[f"after {way} {number} {seed}"] for seed in seeds]
            old = [[100 * one["tasks"]["banking77"]["after"][stage] for one in found] for stage in ("1", "2")]
            name = next((f"{k}: {v:g}" for k, v in penalty.items() if k in ("strength", "share")), "")
            new = mean(100 * one["accuracy"] for one in found)
            lost = ", ".join(f"{a - b:.1f}" for a, b in zip(*old, strict=True))
            yield f"| {way} | {name} | {new:.1f} | {mean(old[0]):.1f} | {mean(old[1]):.1f} | {lost} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
