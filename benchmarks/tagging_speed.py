"""How fast spans are found: this program beside transformers' token-classification pipeline, the same weights, the same answers.

    OMP_NUM_THREADS=1 python benchmarks/tagging_speed.py [--data ../shared/data] [--sentences 10000] [--rounds 2]

Needs the data folders wnut17, ncbi_disease and crossner for their sentences. A tagger is fitted on a few rows (what it answers does not
matter), its body and head are put into transformers' own token-classification model, and both answer the same sentences in turns (A B A B)
at the pipeline's best batch size, which is found first on a part of them. Answers are compared word by word wherever the pipeline's tags
are a legal sequence; it decodes without that rule.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import torch

from tailorlm.core.config import validate
from tailorlm.data import read
from tailorlm.models.encoder import TextModel
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe

FILES = ("wnut17/train.jsonl", "ncbi_disease/train.jsonl.gz", "crossner/test.jsonl.gz", "wnut17/test.jsonl")
BATCHES = (1, 4, 8, 16, 32)
FITTED = 200


def sentences(data: Path, count: int) -> list[str]:
    """Sentences of the three sets in turn, each once."""
    parts = [[" ".join(row.values["tokens"]) for row in read(data / name)] for name in FILES]
    mixed = (text for together in itertools.zip_longest(*parts) for text in together if text)
    return list(itertools.islice(dict.fromkeys(mixed), count))


def tagger(data: Path) -> Adaptation:
    """A head fitted on some rows of wnut17, over the starter."""
    stage = {"weights": {"part": "head", "head_start": "probe"}, "train": {"epochs": 20, "patience": None}}
    recipe = validate({"name": "tagger", "task": "tag", "stages": [stage]}, Recipe)
    rows = read(data / FILES[0])
    examples = recipe.task.make().prepare(rows, what="train").select(range(FITTED))
    return fit(recipe, examples, None).adaptation


def pipeline_of(adaptation: Adaptation) -> Any:
    """The same body and head in transformers' own model and pipeline."""
    from transformers import AutoModelForTokenClassification, pipeline

    model: TextModel = adaptation.model
    outputs = adaptation.answering.task.outputs(adaptation.labels)
    names = dict(enumerate(outputs))
    theirs = AutoModelForTokenClassification.from_pretrained(
        model.base.folder, id2label=names, label2id={v: k for k, v in names.items()}, dtype=torch.float32
    )
    head: Any = model.head
    with torch.no_grad():
        theirs.classifier.weight.copy_(head.weight)
        theirs.classifier.bias.copy_(head.bias)
    return pipeline("token-classification", model=theirs.eval(), tokenizer=model.tokenizer, device="cpu")


def timed(answer: Any) -> tuple[Any, float, float]:
    """What it answers, seconds, and seconds of the processor."""
    wall, busy = time.perf_counter(), time.process_time()
    found = answer()
    return found, time.perf_counter() - wall, time.process_time() - busy


def differing(adaptation: Adaptation, texts: list[str], ours: list[Any], theirs: list[Any]) -> tuple[int, int]:
    """(sentences compared, sentences that differ): tags at first letters of words, where the pipeline's are a legal sequence."""
    compared = wrong = 0
    for (_, words), mine, pieces in zip(adaptation.answering.task.inputs(texts), ours, theirs, strict=True):
        at = {piece["start"]: piece["entity"] for piece in pieces}
        tags = [at.get(start, "O") for start, _ in words]
        before = ["O", *tags]
        if any(tag[0] == "I" and old[1:] != tag[1:] for old, tag in itertools.pairwise(before)):
            continue
        spans: list[list[Any]] = []
        for (start, end), tag in zip(words, tags, strict=True):
            if tag[0] == "B":
                spans.append([start, end, tag[2:]])
            elif tag[0] == "I":
                spans[-1][1] = end
        compared += 1
        wrong += spans != [list(span) for span in mine.value]
    return compared, wrong


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--tried", type=int, default=500, help="sentences on which batch sizes are tried")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    texts = sentences(args.data, args.sentences)
    adaptation = tagger(args.data)
    theirs = pipeline_of(adaptation)
    adaptation.predict(texts[:20])
    theirs(texts[:20], batch_size=4)
    tried = {size: timed(lambda size=size: theirs(texts[: args.tried], batch_size=size))[2] for size in BATCHES}
    best = min(tried, key=lambda size: tried[size])
    print("batch sizes: " + ", ".join(f"{size}: {args.tried / seconds:.0f}/s" for size, seconds in tried.items()))
    print(f"{len(texts):,} sentences, pipeline at batch size {best}, {torch.get_num_threads()} thread(s)")
    for _ in range(args.rounds):
        mine, wall, busy = timed(lambda: adaptation.predict(texts))
        print(
            f"tailorlm   {len(texts) / busy:8.1f} sentences a processor second  ({wall:.1f} s, {busy:.1f} s of the processor)",
            flush=True,
        )
        other, wall, busy = timed(lambda: theirs(texts, batch_size=best))
        print(
            f"pipeline   {len(texts) / busy:8.1f} sentences a processor second  ({wall:.1f} s, {busy:.1f} s of the processor)",
            flush=True,
        )
    compared, wrong = differing(adaptation, texts, mine, other)
    print(
        f"answers: {compared:,} sentences compared, {wrong} differ; {len(texts) - compared:,} with an illegal sequence of the pipeline's"
    )


if __name__ == "__main__":
    main()
