"""Names and other spans: every way on wnut17, ncbi_disease and crossner (one domain, and across two) with the starter encoder.

    python benchmarks/tagging.py [--data ../shared/data] [--sets ...] [--rows N] [--test-rows N] [--passes N] [--seeds N]
    python benchmarks/tagging.py --by-hand      the same rows and settings through transformers' Trainer, seed by seed

Needs the data folders of that name, which are not part of the repository. Every way has the fixed settings written below (no search),
so that what is compared is ways and not searches; rows are the first of each file. An interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import tailorlm
from tailorlm.data import read

# Rates: the middle or upper value of each part's own grid, as validation chose them on other tasks with this encoder.
RATES = {"bias": 2e-3, "adapter": 1e-3, "lora": 2e-3, "top_layers": 5e-4, "full": 1.5e-4}
SETS = ("wnut17", "ncbi_disease", "crossner", "crossner-across")
SOURCE, TARGET = "politics", "science"


def recipes(passes: int, rows_per_step: int, wanted: Iterable[str], head_start: str) -> list[dict[str, Any]]:
    """The ways, with all their settings."""
    every = {part: {"part": part, "lr": rate, "head_start": head_start} for part, rate in RATES.items()}
    made = [
        {"name": "nearest", "context": {"part": "examples", "k": 3}},
        {"name": "features", "stages": [{"weights": {"part": "features", "c": 10.0}}]},
        {"name": "head", "stages": [{"weights": "head", "train": {"epochs": 30, "patience": None}}]},
        *(
            {
                "name": part,
                "stages": [
                    {"weights": weights, "train": {"epochs": passes, "patience": None, "rows_per_step": rows_per_step}}
                ],
            }
            for part, weights in every.items()
        ),
    ]
    return [way | {"search": {}} for way in made if not wanted or way["name"] in wanted]


def lines(path: Path, domain: str | None = None) -> list[dict[str, Any]]:
    """Rows of a file, of one domain where one is named."""
    rows = (dict(row.values) for row in read(path))
    return [{"tokens": row["tokens"], "tags": row["tags"]} for row in rows if domain in (None, row.get("domain"))]


def types(rows: Iterable[dict[str, Any]]) -> set[str]:
    """The types that rows have spans of."""
    return {tag[2:] for row in rows for tag in row["tags"] if tag != "O"}


def only(rows: Iterable[dict[str, Any]], kept: set[str]) -> list[dict[str, Any]]:
    """The rows with spans of these types alone."""
    return [row | {"tags": [tag if tag[2:] in kept else "O" for tag in row["tags"]]} for row in rows]


def rows_of(name: str, data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Train and test rows of a set, as published; across domains with the types that both have."""
    if name.startswith("crossner"):
        folder, across = data / "crossner", name.endswith("across")
        train = lines(folder / "train.jsonl", SOURCE if across else TARGET)
        test = lines(folder / "test.jsonl.gz", TARGET)
        shared = types(train) & types(test)
        return (only(train, shared), only(test, shared)) if across else (train, test)
    train_file = next(path for path in sorted((data / name).iterdir()) if path.name.startswith("train.jsonl"))
    train, test = lines(train_file), lines(data / name / "test.jsonl")
    return train, only(test, types(train))


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    """Rows in a file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def compare(name: str, args: argparse.Namespace) -> None:
    """One set: every way, its table."""
    train, test = (part[:limit] for part, limit in zip(rows_of(name, args.data), (args.rows, args.test_rows)))
    train, test = train or [], only(test, types(train))
    made = [
        written(part, args.out / f"{name}-{what}-{len(part)}.jsonl")
        for what, part in (("train", train), ("test", test))
    ]
    done = tailorlm.compare(
        made[0],
        test=made[1],
        task="tag",
        methods=recipes(args.passes, args.rows_per_step, args.ways, args.head_start),
        folder=args.out,
        seeds=args.seeds,
        leaks="drop",
    )
    print(f"\n{name}: {len(train):,} train rows, {len(test):,} test rows, {args.passes} passes, {args.seeds} seeds")
    print(f"{'way':<12}{'span F1':>24}{'precision':>11}{'recall':>9}{'overlap F1':>12}")
    for way in done.result["ways"]:
        if way["status"] != "ok":
            print(f"{way['name']:<12}{way['status']}: {way.get('error')}")
            continue
        f1, *others = (way["scores"][key] for key in ("span_f1", "span_precision", "span_recall", "span_overlap_f1"))
        shown = f"{f1['value']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]"
        print(
            f"{way['name']:<12}{shown:>24}" + "".join(f"{one['value']:>{n}.3f}" for one, n in zip(others, (11, 9, 12)))
        )
    print(f"{done.recommended}: {done.reason}", flush=True)


# ---- transformers' Trainer by hand


def by_hand(name: str, args: argparse.Namespace) -> None:
    """Full fine-tuning through transformers' Trainer and through this program, on equal rows and settings; span F1 of each seed."""
    from tailorlm.core.config import validate
    from tailorlm.evaluation.metrics import metric_of
    from tailorlm.recipes.answering.head import predictions_of
    from tailorlm.recipes.fit import fit
    from tailorlm.recipes.schema import Recipe

    train, test = (part[:limit] for part, limit in zip(rows_of(name, args.data), (args.rows, args.test_rows)))
    made = [written(part, args.out / f"{name}-hand-{what}.jsonl") for what, part in (("train", train), ("test", test))]
    weights = {"part": "full", "lr": RATES["full"], "head_start": "random"}
    plan = {
        "name": "hand",
        "task": "tag",
        "stages": [{"weights": weights, "train": {"epochs": args.passes, "rows_per_step": args.rows_per_step}}],
    }
    recipe = validate(plan, Recipe)
    task = recipe.task.make()
    examples = task.prepare(read(made[0]), what="train")
    held = task.prepare(read(made[1]), what="test", labels=examples.labels)
    metric = metric_of("span_f1")
    ours, theirs = [], []
    for seed in range(args.seeds):
        fitted = fit(recipe, examples, None, seed=seed)
        answers = fitted.adaptation.answering.answer(held.inputs)
        ours.append(metric.evidence(predictions_of(task, held, answers, examples.labels)).score())
        theirs.append(_trainer(task, examples, held, metric, seed, args))
        print(f"seed {seed}: tailorlm {ours[-1]:.4f}, Trainer {theirs[-1]:.4f}", flush=True)
    print(
        f"mean: tailorlm {np.mean(ours):.4f} (sd {np.std(ours, ddof=1):.4f}), Trainer {np.mean(theirs):.4f} (sd {np.std(theirs, ddof=1):.4f})"
    )


def _trainer(task: Any, examples: Any, held: Any, metric: Any, seed: int, args: argparse.Namespace) -> float:
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from tailorlm.models.resolve import resolve
    from tailorlm.recipes.answering.head import predictions_of

    set_seed(seed)
    folder, outputs = str(resolve("starter").folder), task.outputs(examples.labels)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(outputs), dtype=torch.float32)

    def encoded(part: Any, readings: Any, codes: list[np.ndarray]) -> list[dict[str, list[int]]]:
        found = []
        for tokens, places, row in zip(readings.tokens, readings.places, codes):
            labels = np.full(len(tokens), -100)
            labels[places] = row
            found.append({"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels.tolist()})
        return found

    reads = [task.read(tokenizer, part.inputs, 256) for part in (examples, held)]
    sets = [encoded(part, r, task.targets(r, part)) for part, r in zip((examples, held), reads)]
    settings = TrainingArguments(
        output_dir=str(args.out / "trainer"),
        learning_rate=RATES["full"],
        num_train_epochs=args.passes,
        per_device_train_batch_size=args.rows_per_step,
        warmup_steps=int(np.ceil(0.1 * args.passes * np.ceil(len(examples) / args.rows_per_step))),
        weight_decay=0.01,
        seed=seed,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(model, settings, DataCollatorForTokenClassification(tokenizer), sets[0])
    trainer.train()
    logits = trainer.predict(sets[1]).predictions
    scores = [logits[i, places] for i, places in enumerate(reads[1].places)]
    answers = task.decode(scores, reads[1], held.inputs, examples.labels)
    return float(metric.evidence(predictions_of(task, held, answers, examples.labels)).score())


def main() -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("tailor-runs"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--ways", nargs="+", default=[], help="names of ways; all of them without it")
    parser.add_argument("--rows", type=int, default=300, help="train rows of a set at most")
    parser.add_argument("--test-rows", type=int, default=300, help="test rows of a set at most")
    parser.add_argument("--passes", type=int, default=5, help="passes of the ways that train the body")
    parser.add_argument("--rows-per-step", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--head-start",
        default="auto",
        choices=("auto", "probe", "random"),
        help="where the heads of trained ways begin",
    )
    parser.add_argument("--by-hand", action="store_true", help="the Trainer beside full fine-tuning")
    args = parser.parse_args()
    for name in args.sets:
        (by_hand if args.by_hand else compare)(name, args)


if __name__ == "__main__":
    main()
