"""What a stage before the labels, or a teacher, is worth on real rows: plain text of the domain, pairs of rows, distillation.

    python benchmarks/objectives.py ../shared/data runs/objectives

Before: 8 labelled rows a label of banking77 (77 intents) and of uci_sentences (2 tones), and up to 1,500 texts of the same set without labels.
Nothing, `masked_lm`, `denoising` or `simcse` on these texts, or `contrastive` on the rows; behind it `features` (logistic regression) and, but for
`contrastive`, `lora`. A teacher: `lora` on 1,500 rows of hwu64 (18 scenarios), a student with two blocks of the base's six from 256 of these rows:
alone, taught on the same rows, and taught with the texts of the others too. The starter encoder, 3 seeds (other rows too), one rate for each kind of
weights as `benchmarks/methods.py` found it, 480 test rows. Results are kept in the folder as they come, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from kept import Kept

from tailorlm.core.config import validate
from tailorlm.data import read
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples

SEEDS, TEST, TEXTS, LENGTH = (0, 1, 2), 480, 1500, 32
SETS = {"banking77": "label", "uci_sentences": "label"}
FEW = {"banking77": 8, "uci_sentences": 32}  # labelled rows of each label
LORA = {"part": "lora", "lr": 1.5e-3}
BEFORE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "masked_lm": {"objective": {"part": "masked_lm"}, "train": {"epochs": 3, "rows_per_step": 32}},
    "denoising": {"objective": {"part": "denoising"}, "train": {"epochs": 3, "rows_per_step": 32}},
    "simcse": {"objective": {"part": "simcse"}, "train": {"epochs": 1, "rows_per_step": 64}},
    "contrastive": {"objective": {"part": "contrastive"}, "train": {"epochs": 1, "rows_per_step": 16}},
}
TEACHER, TAUGHT, BLOCKS = 1500, 256, 2


class Set:
    """Rows of a set, each text once: `few` labelled ones a label with a seed, texts without labels, test rows."""

    def __init__(self, data: Path, name: str, label: str):
        self.name = name
        self.train, test = (self._read(data / name, part, label) for part in ("train", "test"))
        self.labels = tuple(sorted({gold for _, gold in self.train}))
        self.test = self.examples(random.Random(7).sample(test, min(TEST, len(test))))

    def _read(self, folder: Path, part: str, label: str) -> list[tuple[str, str]]:
        rows = read(str(next(folder.glob(f"{part}.jsonl*"))))
        return list({str(row.values["text"]).strip(): str(row.values[label]) for row in rows}.items())

    def examples(self, pairs: list[tuple[str, str]]) -> Examples:
        """Pairs as the task takes them."""
        return Examples(tuple(map(str, range(len(pairs)))), *map(tuple, zip(*pairs, strict=True)), self.labels)

    def few(self, each: int, seed: int) -> list[tuple[str, str]]:
        """So many rows of every label."""
        draw, by = random.Random(seed), dict[str, list[tuple[str, str]]]()
        for pair in self.train:
            by.setdefault(pair[1], []).append(pair)
        return [pair for label in self.labels for pair in draw.sample(by[label], min(each, len(by[label])))]

    def texts(self, folder: Path, seed: int, leave: list[tuple[str, str]] | None = None) -> str:
        """A file with texts of train rows, without labels."""
        pairs = random.Random(1000 + seed).sample(self.train, len(self.train))
        left = [text for text, _ in pairs if text not in dict(leave or [])][:TEXTS]
        path = folder / f"{self.name}-{seed}-{len(leave or [])}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in left), encoding="utf-8")
        return str(path)


def recipe(stages: list[dict[str, Any]], **more: Any) -> Recipe:
    """A recipe of these stages."""
    return validate({"name": "x", "task": {"part": "classify", "max_length": LENGTH}, "stages": stages} | more, Recipe)


def scored(
    made: Recipe, rows: Set, train: list[tuple[str, str]], seed: int, save: Path | None = None
) -> dict[str, Any]:
    """Accuracy on the test rows and the seconds of the processor that the fit took."""
    start = time.process_time()
    fitted = fit(made, rows.examples(train), None, seed=seed)
    took = time.process_time() - start
    if save is not None:
        fitted.adaptation.save(save)
    said = fitted.adaptation.predict(rows.test.texts)
    right = [answer.value == gold for answer, gold in zip(said, rows.test.gold, strict=True)]
    return {"accuracy": sum(right) / len(right), "seconds": round(took, 1)}


def jobs(data: Path, folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and making of every fit."""
    loop = {"epochs": 10, "rows_per_step": 16}
    behind = {"features": {"weights": {"part": "features", "c": 10.0}}, "lora": {"weights": LORA, "train": loop}}
    for seed in SEEDS:
        for name, label in SETS.items():
            rows = Set(data, name, label)
            train, texts = rows.few(FEW[name], seed), rows.texts(folder, seed)
            for before, stage in BEFORE.items():
                for after, last in behind.items():
                    if before == "contrastive" and after == "lora":
                        continue
                    first = [{"weights": {"part": "full", "lr": 5e-5}} | json.loads(json.dumps(stage))] if stage else []
                    if stage and before != "contrastive":
                        first[0]["objective"] |= {"text": texts, "max_length": LENGTH}
                    made = recipe([*first, last])
                    yield f"{name} {before} {after} {seed}", lambda m=made, r=rows, t=train, s=seed: scored(m, r, t, s)
        yield from taught(data, folder, seed)


def taught(data: Path, folder: Path, seed: int) -> Iterator[tuple[str, Any]]:
    """The teacher of a seed and its students."""
    rows = Set(data, "hwu64", "scenario")
    pairs = random.Random(seed).sample(rows.train, TEACHER)
    some, teacher = pairs[:TAUGHT], folder / f"teacher-{seed}"
    loop, more = {"epochs": 4, "rows_per_step": 16}, folder / f"hwu64-more-{seed}.jsonl"
    more.write_text("".join(json.dumps({"text": text}) + "\n" for text, _ in pairs[TAUGHT:]), encoding="utf-8")
    whole = recipe([{"weights": LORA, "train": loop}])
    yield f"hwu64 teacher - {seed}", lambda: scored(whole, rows, pairs, seed, teacher)
    full, distill = {"part": "full", "lr": 1.5e-4}, {"part": "distill", "teacher": str(teacher)}
    students = {
        "alone": ("labels", TAUGHT),
        "taught on its rows": (distill, TAUGHT),
        "taught on more texts": (distill | {"rows": str(more)}, TEACHER),
        "alone, all labels": ("labels", TEACHER),
    }
    for name, (objective, count) in students.items():
        train = {"epochs": max(4, round(4 * TEACHER / count)), "rows_per_step": 16}  # as many steps for all
        made = recipe([{"weights": full, "objective": objective, "train": train}], layers=BLOCKS)
        own = pairs if name == "alone, all labels" else some
        yield f"hwu64 student {name} {seed}", lambda m=made, o=own: scored(m, rows, o, seed)


def main(data: Path, folder: Path) -> None:
    """Fit what is missing and print the table."""
    kept = Kept(folder)
    for key, make in jobs(data, folder):
        kept.make(key, make)
    done = kept.done
    print("| set | before, or who | behind it | accuracy | seeds | seconds a fit |\n|---|---|---|---:|---:|---:|")
    for case in dict.fromkeys(key.rsplit(" ", 1)[0] for key in done):
        ones = [entry for key, entry in done.items() if key.rsplit(" ", 1)[0] == case]
        scores, (name, before, after) = [one["accuracy"] for one in ones], case.split(" ", 2)
        spread = f" ± {stdev(scores):.3f}" if len(scores) > 1 else ""
        seconds = mean(one["seconds"] for one in ones)
        print(f"| {name} | {before} | {after} | {mean(scores):.3f}{spread} | {len(ones)} | {seconds:.0f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
