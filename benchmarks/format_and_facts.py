"""Form against facts: what passages bring, what tuning brings, and both, on questions whose answers stand in documents.

    OMP_NUM_THREADS=2 python benchmarks/format_and_facts.py [--data ../shared/data] [--model starter-lm] [--train 240] [--test 80]

Questions of SQuAD's development set in the data folder, which is not part of the repository: train and test rows of its own split, their
paragraphs as documents. The question alone is asked, so that what is not in the weights has to be found. Prints the comparison's table
with the scores of retrieval; where the model is not here, retrieval alone, which no model can make better than it is. Four minutes of one
core with the starter decoder and `--train 64 --test 40`; `--retrieval` takes a minute.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path
from typing import Any

import tailorlm
from tailorlm.context.index import Gold, IndexSettings, PassageIndex, bearing, gold_places, score_index
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.core.errors import TailorError
from tailorlm.evaluation.intervals import interval_of_mean
from tailorlm.models.resolve import resolve

ASKED = "Answer the question in a few words."
WRITING = {"max_new_tokens": 24}
K = 2


def main() -> None:
    """Make rows, documents and index; compare; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("tailor-runs/format-and-facts"))
    parser.add_argument("--model", default="starter-lm")
    parser.add_argument("--train", type=int, default=240, help="train rows")
    parser.add_argument("--test", type=int, default=80, help="test rows")
    parser.add_argument("--retrieval", action="store_true", help="the search alone")
    args = parser.parse_args()
    documents = prepared(args)
    index, _ = PassageIndex.build(args.work / "index", [str(documents)], IndexSettings(size=600))
    print(f"{len(index.entries)} documents, {len(index)} passages")
    search_alone(index, rows_in(args.work / "test.jsonl"))
    if args.retrieval:
        return
    try:
        resolve(args.model)
    except TailorError as error:
        print(f"\nno comparison: {str(error).splitlines()[0]}")
        return
    done = tailorlm.compare(
        args.work / "train.jsonl",
        test=args.work / "test.jsonl",
        task={"part": "generate", "document": "document", "span": "answer", "max_length": 768},
        base=args.model,
        methods=ways(str(args.work / "index")),
        folder=args.work / "runs",
    )
    told(done.result)
    print(f"report: {done.folder / 'report.html'}")


def prepared(args: argparse.Namespace) -> Path:
    """Rows and documents, drawn by one seed; the folder of documents."""
    folder = args.work / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    for split, count in (("train", args.train), ("test", args.test)):
        every = rows_in(args.data / "squad_dev" / f"{split}.jsonl.gz")
        random.Random(0).shuffle(every)
        lines = []
        for row in every[:count]:
            name = names.setdefault(row["context"], f"{len(names):04}.txt")
            (folder / name).write_text(row["context"], encoding="utf-8")
            made = {"question": row["question"], "answer": row["answers"][0]["text"], "document": name}
            lines.append(json.dumps(made, ensure_ascii=False) + "\n")
        (args.work / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def rows_in(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def ways(index: str) -> list[dict[str, Any]]:
    """Prompting, nearest examples, passages, tuning, and tuning with passages."""
    shown = {"part": "prompt", "instruction": ASKED, "writing": WRITING}
    passages = {"passages": index, "search": {"k": K}}
    tuned = {
        "stages": [{"weights": "lora", "train": {"epochs": 4, "rows_per_step": 8}}],
        "search": {"stages.0.weights.lr": [1e-3, 3e-3]},
    }
    return [
        {"name": "prompting", "context": shown},
        {"name": "nearest-shot", "context": shown | {"examples": {"part": "nearest", "k": 4}}},
        {"name": "rag", "context": shown | passages},
        {"name": "lora", "context": shown, **tuned},
        {"name": "lora-rag", "context": shown | passages, **tuned},
    ]


def search_alone(index: PassageIndex, rows: list[dict[str, Any]]) -> None:
    """How often the passage with the answer is found, and in how many prompts the answer then stands."""
    gold = [gold_places(index, row["document"], row["answer"]) for row in rows]
    kept = [(row["question"], found) for row, found in zip(rows, gold) if isinstance(found, frozenset)]
    wanted = Gold(tuple(question for question, _ in kept), tuple(found for _, found in kept))
    print(f"{len(kept)} of {len(rows)} questions whose passage is known")
    for retriever in ("bm25", "dense", "fused"):
        settings = SearchSettings(k=K, retriever=retriever)
        scores = {name: interval_of_mean(values) for name, values in score_index(index, wanted, settings).items()}
        shown = index.search([row["question"] for row in rows], settings)
        holding = bearing(index, [row["answer"] for row in rows])
        there = sum(any(p.id in ids for p in some) for some, ids in zip(shown, holding)) / len(rows)
        names = (f"recall@{K}", "recall@10", "mrr@10", "ndcg@10")
        said = "  ".join(
            f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for name in names if (one := scores[name])
        )
        print(f"{retriever:<6} {said}  the answer's words are shown: {there:.3f}")


def told(result: dict[str, Any]) -> None:
    """The comparison as lines of a Markdown table."""
    print("\n| way | token F1 | exact match | fit | a row |\n|---|---|---|---|---|")
    for way in result["ways"]:
        if way["status"] != "ok":
            print(f"| {way['name']} | failed: {way['error'].splitlines()[0]} | | | |")
            continue
        f1, exact, cost = way["scores"]["token_f1"], way["scores"]["exact_match"], way["cost"]
        said = [f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in (f1, exact)]
        print(
            f"| {way['name']} | {' | '.join(said)} | {cost['fit_seconds']:.0f} s | {cost['predict_ms_per_row']:.0f} ms |"
        )


if __name__ == "__main__":
    main()
