"""Training speed beside transformers' Trainer: the same rows, model, dropout and rows a step, in turns, in one run.

    python benchmarks/training_speed.py [--rows 1024] [--rounds 2] [--threads 1] [--few grouped-bf16=128,padded=64]
        [--ways ours,grouped,grouped-bf16,trainer,padded]

Full fine-tuning of the starter encoder with its own classification head, one pass, on pieces of Python's own documentation (the module
`pydoc_data`, which comes with Python) cut to lengths as texts have them (lognormal, median 42 tokens, longest 512), told apart by the
quarter of it that they are from. Each measurement is a process of its own; the processes take turns (A B C A B C). `--few` gives slow ways fewer
rows: ratios are of tokens a second, at one thread of its processor seconds, which other programs disturb least, at more of wall time. The mean
loss of the last quarter of the steps is shown; rows are the same, orders are not. Trainer's losses are per step as ours:
tests/training/test_trainer_equality.py holds both to each other on equal batches.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from turns import Run, alone, by_way, in_turns, last_quarter, table, timed

WAYS = {
    "ours": "tailorlm",
    "grouped": "Trainer, group_by_length",
    "grouped-bf16": "Trainer, group_by_length, bf16",
    "trainer": "Trainer, defaults (padded to the longest of a random batch)",
    "padded": "Trainer, padding='max_length' as many tutorials do",
}
ROWS_A_STEP, LONGEST, LABELS, RATE = 32, 512, 4, 5e-5
Call = Callable[[], list[float]]


def main() -> None:
    """Run all measurements in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--few", type=by_way, default={}, help="rows of single ways, where not all")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.rows)))
        return

    def run(name: str) -> Run:
        return alone(__file__, "--measure", name, "--rows", args.few.get(name, args.rows), threads=args.threads)

    found = in_turns(args.ways.split(","), args.rounds, run)
    print(f"{args.rows} rows, {args.threads} thread(s), one pass\n")
    table(found, WAYS, "tokens", args.threads, came_out)


def came_out(ours: Run, other: Run) -> str:
    """The loss at the end, of both, and of how many rows where they are not the same."""
    rows = "" if other["rows"] == ours["rows"] else f" after {other['rows']} rows"
    return f"loss {last_quarter(other['losses']):.3f}{rows}, ours {last_quarter(ours['losses']):.3f}"


def measure(name: str, rows: int) -> Run:
    """One training call: what it took, and its losses by step."""
    import torch

    texts, codes = documents(rows)
    torch.manual_seed(0)  # both draw the same head
    call, tokens = ours(texts, codes) if name == "ours" else theirs(texts, codes, name)
    losses, took = timed(call)
    return took | {"rows": rows, "tokens": tokens, "losses": losses}


def documents(rows: int) -> tuple[list[str], list[int]]:
    """Pieces of Python's documentation with lengths as texts have them, and the quarter of it that each begins in."""
    from pydoc_data.topics import topics

    import numpy as np

    random = np.random.default_rng(0)
    words = " ".join(topics[name] for name in sorted(topics)).split()
    lengths = np.clip(np.exp(random.normal(np.log(24), 0.85, rows)).astype(int), 2, 300)
    starts = random.integers(0, len(words) - 300, rows)
    texts = [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
    return texts, (starts * LABELS // (len(words) - 300)).tolist()


def ours(texts: list[str], codes: list[int]) -> tuple[Call, int]:
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
    return lambda: train(job).losses, sum(source.lengths)


def theirs(texts: list[str], codes: list[int], name: str) -> tuple[Call, int]:
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
    losses: list[float] = []

    class Told(Trainer):  # type: ignore[misc]
        def training_step(self, *given: Any, **named: Any) -> Any:
            loss = super().training_step(*given, **named)
            losses.append(float(loss))
            return loss

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
        bf16=name.endswith("-bf16"),
        **({"train_sampling_strategy": "group_by_length"} if name.startswith("grouped") else {}),
    )
    trainer = Told(model, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))

    def call() -> list[float]:
        trainer.train()
        return losses

    return call, sum(sum(row["attention_mask"]) for row in rows)


if __name__ == "__main__":
    main()
