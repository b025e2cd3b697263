"""Training speed beside transformers' Trainer: the same rows, model, dropout and rows a step, in turns, in one run.

    python benchmarks/training_speed.py [--rows 256] [--rounds 2] [--threads 1] [--ways ours,trainer,grouped,padded]

Full fine-tuning of the starter encoder with its own classification head, one pass, on pieces of Python's own documentation (the module
`pydoc_data`, which comes with Python) cut to lengths as texts have them (lognormal, median 42 tokens, longest 512). Each
measurement is a process of its own; the processes take turns (A B C A B C), and every round is shown. The figure is CPU seconds of
the training call alone, which other programs disturb least. Trainer's losses are per step as ours: tests/training/test_trainer_equality.py
holds both to each other on equal batches.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

WAYS = {
    "ours": "tailorlm",
    "trainer": "Trainer, defaults (padded to the longest of a random batch)",
    "grouped": "Trainer, group_by_length",
    "padded": "Trainer, padding='max_length' as many tutorials do",
}
ROWS_A_STEP, LONGEST, LABELS, RATE = 16, 512, 4, 5e-5


def main() -> None:
    """Run all measurements in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.rows)))
        return
    names = args.ways.split(",")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names:
            found[name].append(alone(name, args))
            print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr)
    print(f"{args.rows} rows, {found[names[0]][0]['tokens']:.0f} tokens, {args.threads} thread(s), one pass\n")
    print("| way | CPU seconds | wall seconds | tokens a CPU second | peak memory | ours is |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(run["cpu"] for run in found[names[0]])
    for name in names:
        cpu = [run["cpu"] for run in found[name]]
        middle = statistics.median(cpu)
        wall = statistics.median(run["wall"] for run in found[name])
        memory = max(run["peak_mb"] for run in found[name])
        spread = f"{middle:.1f} ({min(cpu):.1f} to {max(cpu):.1f})"
        speed = found[name][0]["tokens"] / middle
        print(f"| {WAYS[name]} | {spread} | {wall:.1f} | {speed:.0f} | {memory:.0f} MB | {middle / base:.1f}x |")


def alone(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One measurement in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, __file__, "--measure", name, "--rows", str(args.rows)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(name: str, rows: int) -> dict[str, float]:
    """Seconds of one training call, and this process's peak memory."""
    texts, codes = documents(rows)
    call, tokens = (ours if name == "ours" else theirs)(texts, codes, name)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"cpu": round(cpu, 2), "wall": round(wall, 2), "tokens": tokens, "peak_mb": round(peak)}


def documents(rows: int) -> tuple[list[str], list[int]]:
    """Pieces of Python's documentation with lengths as texts have them, and a label each."""
    from pydoc_data.topics import topics

    import numpy as np

    random = np.random.default_rng(0)
    words = " ".join(topics[name] for name in sorted(topics)).split()
    lengths = np.clip(np.exp(random.normal(np.log(24), 0.85, rows)).astype(int), 2, 300)
    starts = random.integers(0, len(words) - 300, rows)
    texts = [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
    return texts, random.integers(0, LABELS, rows).tolist()


def ours(texts: list[str], codes: list[int], name: str) -> tuple[Any, int]:
    """The loop of this program."""
    import numpy as np

    from tailorlm.models.encoder import load_model
    from tailorlm.models.resolve import resolve
    from tailorlm.objectives.labels import Labels
    from tailorlm.tasks.readings import Readings
    from tailorlm.training.job import Job
    from tailorlm.training.lesson import LabelLesson
    from tailorlm.training.loop import train
    from tailorlm.training.settings import TrainSettings
    from tailorlm.training.source import TokenSource
    from tailorlm.weights.full import Full

    names = [str(i) for i in range(LABELS)]
    model = load_model(resolve("starter"), labels=names, pooling="native", max_length=LONGEST)
    source = TokenSource(model, Readings(model.tokenize(texts)))
    lesson = LabelLesson(source, Labels(Labels.Settings()), np.array(codes))
    settings = TrainSettings(epochs=1, rows_per_step=ROWS_A_STEP, weight_decay=0.0, warmup=0.0)
    trainable = Full(Full.Settings()).attach(model)
    job = Job(lesson, trainable, [str(i) for i in range(len(texts))], settings, RATE, 0)
    return lambda: train(job), sum(source.lengths)


def theirs(texts: list[str], codes: list[int], name: str) -> tuple[Any, int]:
    """transformers' Trainer with the same model, rows a step and rate."""
    import tempfile

    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from tailorlm.models.resolve import resolve

    folder = resolve("starter").folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=LABELS)
    padding = "max_length" if name == "padded" else False
    encoded = tokenizer(texts, truncation=True, max_length=LONGEST, padding=padding)
    rows = [
        {"input_ids": i, "attention_mask": m, "labels": c}
        for i, m, c in zip(encoded["input_ids"], encoded["attention_mask"], codes, strict=True)
    ]
    grouped = {"train_sampling_strategy": "group_by_length"} if name == "grouped" else {}
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=1,
        per_device_train_batch_size=ROWS_A_STEP,
        learning_rate=RATE,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=True,
        **grouped,
    )
    trainer = Trainer(model, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
    return trainer.train, sum(sum(row["attention_mask"]) for row in rows)


if __name__ == "__main__":
    main()
