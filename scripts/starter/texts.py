"""What the starter decoder reads: general text, and conversations made from permissive sets. Nothing of it is shipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Messages = list[dict[str, str]]

# Set, who is to be credited, licence, as the data folder's own pages say.
CREDITS = {
    "general_text": "OpenStax (Rice University) CC BY 4.0; Wikinews contributors CC BY 2.5; Wikipedia contributors CC BY-SA 3.0; "
    "Standard Ebooks CC0; African Storybook and Pratham Books CC BY; TinyStories (Eldan and Li 2023) CDLA-Sharing-1.0; "
    "Tatoeba and manythings.org CC BY 2.0; "
    "Schema-Guided Dialogue CC BY-SA 4.0",
    "dolly_open_qa": "databricks-dolly-15k (Conover et al. 2023), CC BY-SA 3.0",
    "self_instruct_seed": "Self-Instruct seed tasks (Wang et al. 2022), Apache-2.0",
    "squad_dev": "SQuAD (Rajpurkar et al. 2016), CC BY-SA 4.0; the train part of our split of its development set",
    "gsm8k": "GSM8K (Cobbe et al. 2021), MIT; train rows",
    "sgd": "Schema-Guided Dialogue (Rastogi et al. 2020), CC BY-SA 4.0; train dialogues",
}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def documents(data: Path, part: str) -> Iterator[str]:
    """The texts of `general_text`. part: `train` or `validation`."""
    for path in sorted((data / "general_text").glob(f"{part}*.jsonl.gz")):
        for row in rows_of(path):
            yield row["text"]


def conversations(data: Path) -> Iterator[tuple[str, Messages]]:
    """Pairs (name, messages) of the train rows of every set of conversations."""
    for row in rows_of(data / "dolly_open_qa" / "train.jsonl.gz"):
        yield "dolly_open_qa", _asked(row["instruction"], row["response"])
    for row in rows_of(data / "self_instruct_seed" / "train.jsonl"):
        for instance in row["instances"]:
            asked = f"{row['instruction']}\n\n{instance['input']}" if instance["input"] else row["instruction"]
            yield "self_instruct_seed", _asked(asked, instance["output"])
    for row in rows_of(data / "squad_dev" / "train.jsonl.gz"):
        yield "squad_dev", _asked(f"{row['context']}\n\n{row['question']}", row["answers"][0]["text"])
    for row in rows_of(data / "gsm8k" / "train.jsonl.gz"):
        yield "gsm8k", _asked(row["question"], row["answer"])
    for row in rows_of(data / "sgd" / "train.jsonl.gz"):
        turns = [
            {"role": "user" if t["speaker"] == "user" else "assistant", "content": t["text"]} for t in row["turns"]
        ]
        yield "sgd", turns


def _asked(question: str, answer: str) -> Messages:
    return [{"role": "user", "content": question.strip()}, {"role": "assistant", "content": answer.strip()}]
