"""What a base in 4 or 8 bits answers differently from float32: bytes, vectors, predictions of one head, time.

    python benchmarks/quantised_base.py ../shared/data/banking77/train.jsonl.gz ../shared/data/banking77/test.jsonl

The starter encoder; logistic regression is fitted on the float32 vectors of the train rows (770 of them), and the same head reads the
vectors of the test rows (385 of them) as each base gives them; then a head of its own for each.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from tailorlm.data.read import read
from tailorlm.models.encoder import load_model
from tailorlm.models.quantise import KINDS
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.weights.features import logistic_head, unit

TRAIN, TEST, C = 770, 385, 10.0


def spread(path: str, count: int) -> list[dict[str, Any]]:
    """So many rows of a file, from all over it."""
    rows = [row.values for row in read(path)]
    return [dict(rows[i]) for i in np.linspace(0, len(rows) - 1, count).astype(int)]


def main(train: str, test: str) -> None:
    """Print the table."""
    import torch

    rows = {"train": spread(train, TRAIN), "test": spread(test, TEST)}
    texts = {name: [str(row["text"]) for row in part] for name, part in rows.items()}
    labels = sorted({str(row["label"]) for part in rows.values() for row in part})
    codes = {name: np.array([labels.index(str(row["label"])) for row in part]) for name, part in rows.items()}
    first: dict[str, np.ndarray] = {}
    head = None
    names = (
        "base",
        "bytes",
        "error",
        "smallest cosine",
        "same answer",
        "accuracy, one head",
        "accuracy, own",
        "ms a row",
    )
    print("| " + " | ".join(names) + " |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        model = load_model(resolve("starter", kind), labels=labels, max_length=128)
        stored = sum(
            p.numel() * p.element_size() for n, p in model.body.named_parameters() if p.ndim == 2 and "layer." in n
        )
        start = time.process_time()
        vectors = {name: unit(embed(model, part)) for name, part in texts.items()}
        took = 1000 * (time.process_time() - start) / sum(map(len, texts.values()))
        first = first or vectors
        own = logistic_head(vectors["train"], codes["train"], len(labels), C)
        head = head or own
        with torch.inference_mode():
            shared = head(torch.from_numpy(vectors["test"])).argmax(1).numpy()
            before = head(torch.from_numpy(first["test"])).argmax(1).numpy()
            apart = own(torch.from_numpy(vectors["test"])).argmax(1).numpy()
        error = np.linalg.norm(vectors["test"] - first["test"]) / np.linalg.norm(first["test"])
        cosine = (vectors["test"] * first["test"]).sum(1).min()
        print(
            f"| {kind} | {stored:,} | {error:.4f} | {cosine:.4f} | {np.mean(shared == before):.4f} | {np.mean(shared == codes['test']):.4f} "
            f"| {np.mean(apart == codes['test']):.4f} | {took:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:3])
