"""Classifying texts beside transformers' text-classification pipeline: the same weights, the same answers, in turns, in one run.

    python benchmarks/classify_speed.py [--rows 2000] [--rounds 2] [--threads 1] [--ways ours,one,eight,many] [--work FOLDER]

The starter encoder with its own classification head, fitted once on a few rows and saved; ours is `Adaptation.predict` of that folder, the
pipeline loads the same folder and answers one by one (its default) and in batches of 8 and 32. Texts are those of training_speed.py, in float32.
Each measurement is a process of its own; loading is not part of it. Labels are compared, and how far apart probabilities are.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_speed import LABELS, LONGEST, ROWS_A_STEP, documents
from turns import Run, alone, in_turns, table, timed

WAYS = {
    "ours": "tailorlm",
    "one": "pipeline, one by one",
    "eight": "pipeline, batches of 8",
    "many": "pipeline, batches of 32",
}
BATCH = {"one": 1, "eight": 8, "many": 32}
FITTED, WARM = 64, 4
Predict = Callable[[list[str]], list[dict[str, float]]]


def main() -> None:
    """Run all measurements in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--work", type=Path, help="where the fitted folder is kept")
    parser.add_argument("--measure", choices=("fit", *WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.rows, args.work / "adaptation")))
        return
    with tempfile.TemporaryDirectory() as folder:

        def run(name: str) -> Run:
            work = args.work or folder
            return alone(__file__, "--measure", name, "--rows", args.rows, "--work", work, threads=args.threads)

        found = in_turns(args.ways.split(","), args.rounds, run)
    print(f"{args.rows} texts, {args.threads} thread(s)\n")
    table(found, WAYS, "texts", args.threads, came_out)


def came_out(ours: Run, other: Run) -> str:
    """How many labels are the same, and how far apart probabilities are."""
    pairs = list(zip(ours["answers"], other["answers"], strict=True))
    same = sum(max(a, key=a.get) == max(b, key=b.get) for a, b in pairs)
    apart = max(abs(a[name] - b[name]) for a, b in pairs for name in a)
    return f"{same} of {len(pairs)} labels the same, probabilities at most {apart:.1e} apart"


def measure(name: str, rows: int, folder: Path) -> Run:
    """One way: what it took, and the probabilities of each text."""
    if name == "fit":
        fitted(folder)
        return {}
    if not folder.is_dir():  # in a process of its own, whose memory does not count
        alone(__file__, "--measure", "fit", "--work", folder.parent)
    texts = documents(rows)[0]
    predict = ours(folder) if name == "ours" else theirs(folder, BATCH[name])
    predict(texts[:WARM])
    answers, took = timed(lambda: predict(texts))
    return took | {"texts": rows, "answers": answers}


def fitted(folder: Path) -> None:
    """A classifier in the making; what it answers does not matter."""
    from tailorlm.core.config import validate
    from tailorlm.recipes.fit import fit
    from tailorlm.recipes.schema import Recipe
    from tailorlm.tasks.base import Examples

    texts, codes = documents(FITTED)
    names = tuple(map(str, range(LABELS)))
    rows = Examples(tuple(map(str, range(FITTED))), tuple(texts), tuple(names[code] for code in codes), names)
    loop = {"epochs": 1, "patience": None, "rows_per_step": ROWS_A_STEP}
    stage = {"weights": {"part": "full", "lr": 2e-4}, "train": loop}
    task = {"part": "classify", "max_length": LONGEST}
    plain = {"name": "classifier", "task": task, "pooling": "native", "stages": [stage]}
    fit(validate(plain, Recipe), rows).adaptation.save(folder)


def ours(folder: Path) -> Predict:
    """The saved adaptation, loaded."""
    from tailorlm.recipes.adaptation import Adaptation

    adaptation = Adaptation.load(folder)
    return lambda texts: [{name: float(p) for name, p in answer.scores.items()} for answer in adaptation.predict(texts)]


def theirs(folder: Path, batch: int) -> Predict:
    """transformers' pipeline over the same folder."""
    from transformers import pipeline

    answer: Any = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)

    def predict(texts: list[str]) -> list[dict[str, float]]:
        answers = answer(texts, batch_size=batch, truncation=True, max_length=LONGEST)
        return [{pair["label"]: pair["score"] for pair in pairs} for pairs in answers]

    return predict


if __name__ == "__main__":
    main()
