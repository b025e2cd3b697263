"""Ways of moving weights on the same real rows, each way's learning rate tuned alike.

    python benchmarks/methods.py [--data ../shared/data] [--out tailor-runs/methods]   # fits what is missing, then prints the tables
    python benchmarks/methods.py --only-table                                          # tables of what is there

The starter encoder over five sets, from 8 rows a class to about a thousand. One file a fit, written whole, so that an interrupted run
goes on. Rows are drawn alike from each class, others for every seed; validation and test rows are the same for all. For each set and
number of rows the rate is chosen among three on the validation rows, with the train rows of seed 0, and every seed is fitted with it.
Passes are fixed and the rate falls to zero within them: nothing looks at validation or test rows while it learns. Processor time of
everything is about two hours on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core import atomic
from tailorlm.core.config import validate
from tailorlm.data import read
from tailorlm.models.run import EmbeddingCache, EmbeddingView
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples

SEEDS = (0, 1, 2)
VALIDATION, TEST = 160, 480
MAX_LENGTH = 24
FEW = 8
LADDER = (2e-5, 5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3, 1.5e-2)


@dataclass(frozen=True)
class Way:
    """A way to compare. stage: its last stage, the rate or C put in by `key`. before: stages before it. values: what is tried."""

    weights: dict[str, Any]
    values: tuple[float, ...]
    key: str = "stages.0.weights.lr"
    objective: str = "labels"


WAYS = {
    "features": Way({"part": "features"}, (1.0, 10.0, 100.0), "stages.0.weights.c"),
    "head": Way({"part": "head"}, (3e-3, 1e-2, 3e-2)),
    "bitfit": Way({"part": "bias"}, (5e-4, 1.5e-3, 5e-3)),
    "adapter": Way({"part": "adapter"}, (5e-4, 1.5e-3, 5e-3)),
    "lora": Way({"part": "lora"}, (5e-4, 1.5e-3, 5e-3)),
    "top-layers": Way({"part": "top_layers"}, (1.5e-4, 5e-4, 1.5e-3)),
    "full": Way({"part": "full"}, (5e-5, 1.5e-4, 5e-4)),
    "full, random head": Way({"part": "full", "head_start": "random"}, (5e-5, 1.5e-4, 5e-4)),
    "contrastive": Way({"part": "full"}, (2e-5, 5e-5, 1.5e-4), objective="contrastive"),
}
# Ways are left out where they say least.
SMALL = ("features", "head", "bitfit", "adapter", "lora", "full", "contrastive")
MORE = ("top-layers", "full, random head")
MIDDLE = ("features", "head", "bitfit", "adapter", "lora", "full")
LARGE = ("features", "bitfit", "adapter", "lora", "full")


@dataclass(frozen=True)
class Data:
    """A set: its folder, the columns, which labels are kept (`None`: all; a number: so many of the largest)."""

    folder: str
    train: str
    text: str = "text"
    label: str = "label"
    keep: tuple[str, ...] | int | None = None
    said: str = ""


SETS = {
    "banking77": Data("banking77", "train.jsonl.gz", keep=8, said="bank intents, the 8 largest of 77"),
    "hwu64": Data(
        "hwu64", "train.jsonl.gz", label="scenario", keep=8, said="requests at home, the 8 largest of 18 scenarios"
    ),
    "clothing_reviews": Data("clothing_reviews", "train.jsonl.gz", text="title", said="titles of reviews, 3 tones"),
    "product_reviews": Data(
        "product_reviews", "train.jsonl.gz", keep=("negative", "positive"), said="sentences about products, 2 tones"
    ),
    "uci_sentences": Data("uci_sentences", "train.jsonl", said="sentences of reviews, 2 tones"),
}


@dataclass(frozen=True)
class Setting:
    """Rows to learn from on one set, and for how long. rows: 0 stands for `FEW` a class."""

    name: str
    rows: int
    ways: tuple[str, ...]

    def train(self, count: int) -> dict[str, Any]:
        """Settings of the loop for so many rows: no fewer than 60 steps."""
        step = 8 if count <= 64 else 16
        return {"epochs": max(3, -(-60 * step // count), 5 if count <= 300 else 3), "rows_per_step": step}


def settings() -> list[Setting]:
    """What is fitted, the most telling first."""
    first = ("uci_sentences", "clothing_reviews", "hwu64")
    few = [Setting(name, 0, SMALL) for name in first]
    middle = [Setting(name, 256, MIDDLE) for name in first[1:]]
    large = [Setting(name, 1000, LARGE) for name in first]
    return [
        *few,
        *middle,
        *(Setting(name, 0, SMALL) for name in ("product_reviews", "banking77")),
        *(Setting(name, 0, MORE) for name in SETS),
        *(Setting(name, 64, MIDDLE) for name in ("clothing_reviews", "uci_sentences", "product_reviews")),
        *(Setting(name, 256, MIDDLE) for name in ("uci_sentences", "product_reviews", "banking77")),
        *large,
    ]


# ---- rows


class Rows:
    """The rows of a set: `validation` and `test` fixed, `draw` gives train rows."""

    def __init__(self, data: Data, folder: Path):
        train = self._read(data, folder / data.folder / data.train)
        names = [label for label, _ in sorted(train.items(), key=lambda item: (-len(item[1]), item[0]))]
        if isinstance(data.keep, int):
            names = names[: data.keep]
        self.labels = tuple(sorted(name for name in names if not isinstance(data.keep, tuple) or name in data.keep))
        random = np.random.default_rng(20_240)
        mixed = {label: [train[label][i] for i in random.permutation(len(train[label]))] for label in self.labels}
        held = VALIDATION // len(self.labels)
        self.validation = self._examples({label: texts[:held] for label, texts in mixed.items()})
        self.pool = {label: texts[held:] for label, texts in mixed.items()}
        test = self._read(data, folder / data.folder / "test.jsonl")
        each = min(TEST // len(self.labels), *(len(test[label]) for label in self.labels))
        self.test = self._examples({label: test[label][:each] for label in self.labels})

    def _read(self, data: Data, path: Path) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in read(path):
            text = str(row.values.get(data.text) or "").strip()
            if text:
                found.setdefault(str(row.values[data.label]), []).append(text)
        return {label: list(dict.fromkeys(texts)) for label, texts in found.items()}

    def _examples(self, texts: dict[str, list[str]]) -> Examples:
        pairs = [(text, label) for label, some in texts.items() for text in some]
        return Examples(tuple(map(str, range(len(pairs)))), *map(tuple, zip(*pairs, strict=True)), self.labels)

    def draw(self, count: int, seed: int) -> Examples:
        """So many train rows, alike of each class (or all there are), others for each seed."""
        random, each = np.random.default_rng([count, seed]), -(-count // len(self.labels))
        return self._examples(
            {label: [texts[i] for i in random.permutation(len(texts))[:each]] for label, texts in self.pool.items()}
        )


# ---- fits


class Study:
    """Fits that are there, and those that are made."""

    def __init__(self, data: Path, out: Path):
        self.data, self.out, self.caches = data, out, dict[str, EmbeddingCache]()
        self.rows: dict[str, Rows] = {}
        out.mkdir(parents=True, exist_ok=True)

    def path(self, setting: Setting, way: str, value: float, seed: int) -> Path:
        """Where a fit is kept."""
        return (
            self.out / f"{setting.name}-{setting.rows}-{way.replace(', ', '-').replace(' ', '-')}-{value:g}-{seed}.json"
        )

    def known(self, setting: Setting, way: str, value: float, seed: int) -> dict[str, Any] | None:
        """A fit that is there."""
        path = self.path(setting, way, value, seed)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def fit(self, setting: Setting, way: str, value: float, seed: int) -> dict[str, Any]:
        """One fit: accuracy on the validation and on the test rows."""
        found = self.known(setting, way, value, seed)
        if found is not None:
            return found
        if setting.name not in self.rows:
            self.rows[setting.name] = Rows(SETS[setting.name], self.data)
            self.caches[setting.name] = EmbeddingCache()
        rows = self.rows[setting.name]
        train = rows.draw(setting.rows or FEW * len(rows.labels), seed)
        recipe = recipe_of(WAYS[way], setting.train(len(train)), value)
        start = time.process_time()
        fitted = fit(recipe, train, None, seed=seed, embeddings=EmbeddingView(self.caches[setting.name]))
        took = time.process_time() - start
        made = {
            "rows": len(train),
            "classes": len(rows.labels),
            "seconds": round(took, 2),
            "learning": fitted.trainable,
            "validation": accuracy(fitted.adaptation, rows.validation),
            "test": accuracy(fitted.adaptation, rows.test),
            "test_rows": len(rows.test),
        }
        path = self.path(setting, way, value, seed)
        atomic.write_text(path, json.dumps(made) + "\n")
        print(f"{path.stem:<56} validation {made['validation']:.3f} test {made['test']:.3f} {took:6.1f} s", flush=True)
        return made

    def run(self, sets: list[str]) -> None:
        """All fits of these sets that are missing."""
        for setting in settings():
            if setting.name not in sets:
                continue
            for way in setting.ways:
                tried = {value: self.fit(setting, way, value, 0) for value in WAYS[way].values}
                for seed in SEEDS[1:]:
                    self.fit(setting, way, best(tried), seed)
        for setting in RATE_CURVES:
            for way in ("full", "lora") if setting.name in sets else ():
                for value in LADDER:
                    self.fit(setting, way, value, 0)


RATE_CURVES = [Setting(name, 256, ("full", "lora")) for name in ("uci_sentences", "hwu64")]


def recipe_of(way: Way, train: dict[str, Any], value: float) -> Recipe:
    """The recipe of a way, with its rate (or C)."""
    stage: dict[str, Any] = {"weights": way.weights, "objective": way.objective, "train": train}
    stages = [stage]
    if way.objective == "contrastive":
        stage["objective"] = {"part": "contrastive", "pairs": 6}
        stage["train"] = {"epochs": 1, "rows_per_step": 16}
        stages.append({"weights": {"part": "features", "c": 10.0}})
    if way.weights["part"] == "features":
        stage.pop("train")
    if way.weights["part"] == "head":
        stage["train"] = {"epochs": 60}
    plain = {"name": "x", "task": {"part": "classify", "max_length": MAX_LENGTH}, "stages": stages}
    return validate(plain, Recipe).changed({way.key: value})


def accuracy(adaptation: Any, rows: Examples) -> float:
    """Share of the rows that are answered right."""
    return float(
        np.mean([answer.value == gold for answer, gold in zip(adaptation.predict(rows.texts), rows.gold, strict=True)])
    )


def best(tried: dict[float, dict[str, Any]]) -> float:
    """The value with the highest accuracy on the validation rows; of equal ones the middle one, else the smaller."""
    values = list(tried)
    return max(values, key=lambda v: (tried[v]["validation"], v == values[len(values) // 2], -v))


# ---- tables


def tables(study: Study) -> None:
    """Accuracy on the test rows by way, mean of the seeds that are there with their standard deviation, and the rate that was chosen."""
    for setting in settings():
        lines = [line for way in setting.ways if (line := row_of(study, setting, way))]
        if lines:
            rows = setting.rows or f"{FEW} a class"
            print(f"\n{setting.name} ({SETS[setting.name].said}), rows: {rows}\n")
            print("| way | accuracy | seeds | rate or C | seconds a fit |\n|---|---|---|---|---|")
            print("\n".join(lines))
    beside_full(study)
    curves(study)


def chosen(study: Study, setting: Setting, way: str) -> tuple[float, list[dict[str, Any]]] | None:
    """The value that was chosen and the fits with it, by seed; None until every value was tried with seed 0."""
    tried = {value: study.known(setting, way, value, 0) for value in WAYS[way].values}
    if any(fit is None for fit in tried.values()):
        return None
    value = best({v: fit for v, fit in tried.items() if fit})
    return value, [fit for seed in SEEDS if (fit := study.known(setting, way, value, seed))]


def row_of(study: Study, setting: Setting, way: str) -> str | None:
    """A line of the table; None until every value was tried with seed 0."""
    found = chosen(study, setting, way)
    if found is None:
        return None
    value, fits = found
    scores = [fit["test"] for fit in fits]
    spread = f" ± {np.std(scores, ddof=1):.3f}" if len(scores) > 1 else ""
    seconds = np.mean([fit["seconds"] for fit in fits])
    return f"| {way} | {np.mean(scores):.3f}{spread} | {len(scores)} | {value:g} | {seconds:.1f} |"


def beside_full(study: Study) -> None:
    """Points by which each way is ahead of full tuning on the same train rows: mean of the seeds, and their standard deviation."""
    ways = [way for way in WAYS if way != "full"]
    lines = []
    for setting in sorted(settings(), key=lambda s: (list(SETS).index(s.name), s.rows)):
        full = chosen(study, setting, "full")
        if full is None or set(setting.ways) == set(MORE):
            continue
        cells = []
        for way in ways:
            found = chosen(study, setting, way)
            apart = [100 * (a["test"] - b["test"]) for a, b in zip(found[1] if found else [], full[1], strict=False)]
            cells.append(f"{np.mean(apart):+.1f} ± {np.std(apart, ddof=1):.1f}" if len(apart) > 1 else "")
        count = full[1][0]["rows"]
        lines.append(
            f"| {setting.name} | {count} | {np.mean([f['test'] for f in full[1]]):.3f} | " + " | ".join(cells) + " |"
        )
    if lines:
        print("\n| set | rows | full | " + " | ".join(ways) + " |\n|---|---:|---:|" + "---|" * len(ways))
        print("\n".join(lines))


def curves(study: Study) -> None:
    """Validation accuracy by rate, of full tuning and of LoRA."""
    print(
        "\n| set, 256 rows | way | "
        + " | ".join(f"{value:g}" for value in LADDER)
        + " |\n|---|---|"
        + "---|" * len(LADDER)
    )
    for setting in RATE_CURVES:
        for way in ("full", "lora"):
            found = [study.known(setting, way, value, 0) for value in LADDER]
            if any(found):
                cells = " | ".join(f"{fit['validation']:.3f}" if fit else "" for fit in found)
                print(f"| {setting.name} | {way} | {cells} |")


def main() -> None:
    """Fit what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("tailor-runs/methods"))
    parser.add_argument(
        "--sets", nargs="+", choices=list(SETS), default=list(SETS), help="fit these; two processes can share the work"
    )
    parser.add_argument("--only-table", action="store_true")
    args = parser.parse_args()
    study = Study(args.data, args.out)
    if not args.only_table:
        study.run(args.sets)
    tables(study)


if __name__ == "__main__":
    main()
