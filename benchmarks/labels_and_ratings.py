"""Several labels a row (GoEmotions, 28 emotions) and ratings 1 to 5 (clothing reviews), each asked in several ways with three seeds.

    python benchmarks/labels_and_ratings.py emotions [--data ../shared/data] [--rows 1000] [--out tailor-runs]
    python benchmarks/labels_and_ratings.py ratings [--body]

Needs the data folders `goemotions` (Demszky et al. 2020, CC BY 4.0) and `clothing_reviews` (CC0), which are not part of the repository. Prints one
table; an interrupted run goes on. The figures stand in docs/studies/labels_and_ratings.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tailorlm
from tailorlm.data import read
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.intervals import interval

SEEDS = 3
RATING = ("qwk", "mae", "spearman")


def main() -> None:
    """Run one of the two studies and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["emotions", "ratings"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=1000, help="train rows, the first of the file")
    parser.add_argument("--test-rows", type=int, default=1500, help="test rows, the first of the file")
    parser.add_argument("--out", type=Path, default=Path("tailor-runs"))
    parser.add_argument("--methods", help="these alone, with commas between")
    parser.add_argument("--body", action="store_true", help="ways that train the body too: an hour of a processor more")
    args = parser.parse_args()
    {"emotions": emotions, "ratings": ratings}[args.study](args)


def emotions(args: argparse.Namespace) -> None:
    """Every decision alike (micro-F1), every label alike (macro-F1), ranking without a threshold (mAP)."""
    train, test = parts(args, "goemotions")
    # With few rows some emotion is in the test rows alone.
    names = sorted(
        {label for row in read(args.data / "goemotions" / "train.jsonl.gz") for label in row.values["labels"]}
    )
    balanced, focal = {"part": "labels", "class_weights": "balanced"}, {"part": "labels", "focal": 2.0}
    ways: list[Any] = ["nearest", "features-lr", "features-svm", "head", trained("head-balanced", "head", balanced)]
    ways += [trained("head-focal", "head", focal)]
    if args.body:
        top = {"part": "top_layers", "layers": 2}
        ways += [trained("top-layers", top), trained("top-layers-balanced", top, balanced), trained("lora", "lora")]
    ways = args.methods.split(",") if args.methods else ways
    done = compared(train, test, {"part": "many_labels", "labels": names}, ways, args.out)
    scores = ("micro_f1", "labels_macro_f1", "samples_f1", "map")
    print(f"\n{'way':<22}" + "".join(f"{name:>26}" for name in scores))
    for way in done.result["ways"]:
        print(
            f"{way['name']:<22}"
            + "".join(f"{shown(way['scores'][name]):>26}" for name in scores)
            + f"  {way['verdict']}"
        )
    print(f"\n{done.recommended}: {done.reason}\n{done.folder / 'report.html'}")


def ratings(args: argparse.Namespace) -> None:
    """The same ways, asked for a number, for a number with cut points, and for one of five labels without an order."""
    train, test = parts(args, "clothing_reviews")
    ways: list[Any] = ["features-lr", "features-svm", "head"]
    ways += [trained("top-layers", {"part": "top_layers", "layers": 2})] if args.body else []
    balanced = trained("head-balanced", "head", {"part": "labels", "class_weights": "balanced"})
    print(f"\n{'asked as':<28}{'way':<15}" + "".join(f"{name:>24}" for name in (*RATING, "exact")))
    for asked, task in {
        "score": {"part": "score"},
        "score, rounding: nearest": {"part": "score", "rounding": "nearest"},
        "score, rounding: fitted": {"part": "score", "rounding": "fitted"},
        "classify, five labels": {"part": "classify"},
    }.items():
        some = args.methods.split(",") if args.methods else [*ways, balanced] if task["part"] == "classify" else ways
        done = compared(
            train, test, task | {"label": "rating"}, some, args.out / asked.replace(", ", "-").replace(": ", "-")
        )
        for way in done.result["ways"]:
            seeds = [as_numbers(done.folder / "runs" / run / "predictions.jsonl") for run in way["runs"]]
            cells = [interval(name, seeds) for name in RATING]
            exact = sum(round(p) == g for one in seeds for g, p in zip(one.gold, one.predicted, strict=True))
            exact /= sum(map(len, seeds))
            told = "".join(f"{f'{c.value:.3f} [{c.low:.3f}, {c.high:.3f}]':>24}" for c in cells)
            print(f"{asked:<28}{way['name']:<15}{told}{exact:>24.3f}")


def trained(name: str, weights: Any, objective: Any = "labels") -> dict[str, Any]:
    """A way that is trained at its default rate for six passes at most, so that the study stays small: no search."""
    stage = {"weights": weights, "objective": objective, "train": {"epochs": 6 if name[:4] != "head" else 40}}
    return {"name": name, "stages": [stage], "search": {}}


def compared(train: Path, test: Path, task: dict[str, Any], ways: Sequence[Any], out: Path) -> tailorlm.Comparison:
    """The comparison of all these, on 250 validation rows."""
    settings = {"seeds": SEEDS, "validation_rows": 250, "leaks": "drop"}
    return tailorlm.compare(train, test=test, task=task, methods=ways, folder=out, **settings)


def parts(args: argparse.Namespace, name: str) -> tuple[Path, Path]:
    """The train and test rows of a data folder, as many as were asked for."""
    folder = args.data / name
    train = first(folder / "train.jsonl.gz", args.rows, args.out / f"{name}-train-{args.rows}.jsonl")
    return train, first(folder / "test.jsonl", args.test_rows, args.out / f"{name}-test-{args.test_rows}.jsonl")


def first(path: Path, rows: int, made: Path) -> Path:
    """The first rows of a file, in a file of their own."""
    made.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(dict(row.values)) + "\n" for row in list(read(path))[:rows]]
    made.write_text("".join(lines), encoding="utf-8")
    return made


def as_numbers(path: Path) -> Predictions:
    """Predictions of ratings as numbers, whatever they were asked as."""
    found = Predictions.from_jsonl(path)
    gold, said = ([float(value) for value in side] for side in (found.gold, found.predicted))
    return Predictions(found.ids, tuple(gold), tuple(said), kind="number")


def shown(score: dict[str, Any]) -> str:
    """`0.501 [0.480, 0.520]`."""
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


if __name__ == "__main__":
    main()
