"""Answers in a context and pairs of texts: every way that can answer them, with the starter encoder.

    python benchmarks/answers_and_pairs.py [squad] [duplicates] [answered] [--data ../shared/data] [--rows N] [--test-rows N] [--passes N] [--seeds N]
    python benchmarks/answers_and_pairs.py apart [...]      frozen vectors of pairs: read together, or apart and put together

squad: `extract` on the folder squad_dev (SQuAD 1.1's development set; train and test are other articles). duplicates: pairs made of
banking77, "do two messages have one intent?": beside half the messages stands another one of their intent, beside the others the one of another
intent that shares most words with them, among 200 drawn. answered: pairs made of squad_dev, "does this sentence hold the answer to the
question?" (as QNLI is made of SQuAD): the sentence with the answer, or another one of the paragraph. Pairs are drawn with a fixed seed. Every way
has the fixed settings written below (no search), so that what is compared is ways and not searches. An interrupted run goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import tailorlm
from tailorlm.data import read

# Rates: the middle or upper value of each part's own grid.
RATES = {"bias": 2e-3, "lora": 2e-3, "top_layers": 5e-4, "full": 1.5e-4}
FOLDERS = {"squad": "squad_dev", "duplicates": "banking77", "answered": "squad_dev"}
SETTINGS = {
    "squad": {"part": "extract", "id": "id", "max_length": 256, "stride": 64},
    "duplicates": {"part": "classify", "text": "first", "second": "second", "max_length": 128},
    "answered": {"part": "classify", "text": "question", "second": "sentence", "max_length": 128},
}
DRAWN = 200


def recipes(name: str, passes: int, wanted: Iterable[str]) -> list[dict[str, Any]]:
    """The ways, with all their settings."""
    every: list[dict[str, Any]] = []
    if name != "squad":
        every = [
            {"name": "nearest", "context": {"part": "examples", "k": 3}},
            {"name": "features", "stages": [{"weights": {"part": "features", "c": 10.0}}]},
        ]
    every.append(
        {
            "name": "head",
            "stages": [{"weights": {"part": "head", "lr": 3e-3}, "train": {"epochs": 30, "patience": None}}],
        }
    )
    train = {"epochs": passes, "patience": None, "rows_per_step": 8}
    every += [
        {"name": part, "stages": [{"weights": {"part": part, "lr": rate}, "train": train}]}
        for part, rate in RATES.items()
    ]
    return [way | {"search": {}} for way in every if not wanted or way["name"] in wanted]


def duplicates(rows: list[dict[str, Any]], count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Pairs of messages: of one intent, or of two with as many words in common as can be had."""
    by_label: dict[str, list[str]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row["text"])
    words = {row["text"]: set(re.findall(r"\w+", row["text"].lower())) for row in rows}
    made: list[dict[str, Any]] = []
    for row in rng.sample(rows, min(count, len(rows))):
        text = row["text"]
        same = [other for other in by_label[row["label"]] if other != text]
        if rng.random() < 0.5 and same:
            made.append({"first": text, "second": rng.choice(same), "label": "same"})
            continue
        others = [other["text"] for other in rng.sample(rows, min(DRAWN, len(rows))) if other["label"] != row["label"]]
        near = max(others, key=lambda other: len(words[other] & words[text]) / len(words[other] | words[text]))
        made.append({"first": text, "second": near, "label": "different"})
    return made


def answered(rows: list[dict[str, Any]], count: int, rng: random.Random) -> list[dict[str, Any]]:
    """Questions with a sentence of their paragraph: the one in which the first answer begins, or another."""
    made: list[dict[str, Any]] = []
    for row in rng.sample(rows, len(rows)):
        context, start = row["context"], row["answers"][0]["answer_start"]
        edges = [0, *(found.end() for found in re.finditer(r"[.!?] ", context)), len(context)]
        sentences = [(a, b) for a, b in itertools.pairwise(edges) if context[a:b].strip()]
        holds = [(a, b) for a, b in sentences if a <= start < b]
        others = [place for place in sentences if place not in holds]
        if not holds or not others:
            continue
        right = rng.random() < 0.5
        a, b = holds[0] if right else rng.choice(others)
        made.append(
            {
                "question": row["question"],
                "sentence": context[a:b].strip(),
                "label": "holds it" if right else "does not",
            }
        )
    return made[:count]


def rows_of(name: str, args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Train and test rows of a set."""
    folder = args.data / FOLDERS[name]
    sides = []
    for part, count in (("train", args.rows), ("test", args.test_rows)):
        path = next(path for path in sorted(folder.iterdir()) if path.name.startswith(f"{part}.jsonl"))
        rows, rng = [dict(row.values) for row in read(path)], random.Random(0)
        if name == "squad":
            sides.append(rng.sample(rows, min(count, len(rows))))
        else:
            sides.append((duplicates if name == "duplicates" else answered)(rows, count, rng))
    return sides[0], sides[1]


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    """Rows in a file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def study(name: str, args: argparse.Namespace) -> None:
    """Compare the ways on a set and print a table."""
    train, test = rows_of(name, args)
    done = tailorlm.compare(
        written(train, args.out / f"{name}-train.jsonl"),
        test=written(test, args.out / f"{name}-test.jsonl"),
        task=SETTINGS[name],
        methods=recipes(name, args.passes, args.ways),
        folder=args.out,
        seeds=args.seeds,
        leaks="drop",
        validation_rows=max(20, args.rows // 10),
    )
    metrics = done.result["metrics"]
    print(f"\n{name}: {len(train):,} train and {len(test):,} test rows, {args.seeds} seeds, {args.passes} passes")
    print(f"| way | {metrics[0]} | {metrics[1]} | verdict |\n|---|---|---|---|")
    for way in done.result["ways"]:
        if way["status"] == "ok":
            first, second = (way["scores"][metric] for metric in metrics)
            cells = f"{first['value']:.3f} [{first['low']:.3f}, {first['high']:.3f}] | {second['value']:.3f} | {way['verdict']}"
            print(f"| {way['name']} | {cells} |", flush=True)
    print(done.folder / "report.html")


def apart(args: argparse.Namespace) -> None:
    """Logistic regression on frozen vectors of pairs: of both texts together, and of each by itself."""
    from sklearn.linear_model import LogisticRegression

    from tailorlm.models.encoder import load_model
    from tailorlm.models.resolve import resolve
    from tailorlm.models.run import embed, vectors_of
    from tailorlm.tasks.classify import Classify

    model = load_model(resolve("starter"), labels=("a", "b"), pooling="auto", max_length=128)
    for name in ("duplicates", "answered"):
        task = Classify(Classify.Settings(**{key: value for key, value in SETTINGS[name].items() if key != "part"}))
        sides = [(task.inputs(rows), [row["label"] for row in rows]) for rows in rows_of(name, args)]
        told = {"together": [], "apart: u, v, |u - v|, u * v": []}
        for pairs, _ in sides:
            told["together"].append(np.concatenate(vectors_of(model, task.read(model.tokenizer, pairs, 128))))
            u, v = (embed(model, [pair[side] for pair in pairs]) for side in (0, 1))
            told["apart: u, v, |u - v|, u * v"].append(np.concatenate([u, v, np.abs(u - v), u * v], axis=1))
        for way, (train, test) in told.items():
            x, z = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (train, test))
            right = [
                LogisticRegression(C=c, max_iter=2000).fit(x, sides[0][1]).score(z, sides[1][1]) for c in (1, 10, 100)
            ]
            print(
                f"{name:<12}{way:<30}" + "".join(f"{value:>8.3f}" for value in right) + "  (C = 1, 10, 100)", flush=True
            )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=(*FOLDERS, "apart"), default=[*FOLDERS, "apart"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("tailor-runs"))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--test-rows", type=int, default=500)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=[], help="some of the ways; all without it")
    args = parser.parse_args()
    for name in args.sets:
        apart(args) if name == "apart" else study(name, args)


if __name__ == "__main__":
    main()
