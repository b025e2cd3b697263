"""How often the passage that holds the answer is found: by words, by meaning, and by both, on sets where it is known.

    OMP_NUM_THREADS=1 python benchmarks/retrieval.py [--data ../shared/data] [--set squad_dev] [--size 1000] [--no-headings]

Needs the data folder, which is not part of the repository, and the starter encoder. Prints the lines of docs/studies/retrieval.md for
one set, through `PassageIndex` as users have it. Up to three minutes on one core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tailorlm.context.index import IndexSettings, PassageIndex, ReadSettings
from tailorlm.context.index.questions import covering
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.data.quality import normalised
from tailorlm.data.rankings import hit_at, ndcg_at, reciprocal_rank_at
from tailorlm.evaluation.intervals import wilson
from tailorlm.evaluation.paired import mcnemar

K = 10


class Question(NamedTuple):
    """What is asked, and where the answer stands: document to span (None: all of it)."""

    text: str
    gold: dict[str, tuple[int, int] | None]


class Case(NamedTuple):
    """Documents (id, title, text) and questions about them."""

    documents: list[dict[str, str]]
    questions: list[Question]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file, packed or not."""
    path = path if path.exists() else path.with_name(path.name + ".gz")
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as handle:
        yield from map(json.loads, handle)


def squad(folder: Path) -> Case:
    """All paragraphs of both parts; the 1,000 test questions, whose answer is a span of one paragraph."""
    rows = [*lines(folder / "test.jsonl"), *lines(folder / "train.jsonl")]
    names = {row["context"]: f"p{i}" for i, row in enumerate(rows)}
    documents = [{"id": names[c], "title": t, "text": c} for c, t in {r["context"]: r["title"] for r in rows}.items()]
    questions = []
    for row in lines(folder / "test.jsonl"):
        start = row["answers"][0]["answer_start"]
        span = (start, start + len(row["answers"][0]["text"]))
        questions.append(Question(row["question"], {names[row["context"]]: span}))
    return Case(documents, questions)


def covid(folder: Path) -> Case:
    """Whole articles; the 232 test questions, whose answer is a span of one article. The test articles and 30 others are searched."""
    asked = list(lines(folder / "test.jsonl"))
    of_test = {row["article"] for row in asked}
    articles = list(lines(folder / "articles.jsonl"))
    kept = [a for a in articles if a["id"] in of_test] + [a for a in articles if a["id"] not in of_test][:30]
    texts = {a["id"]: a["text"] for a in kept}
    questions = []
    for row in asked:
        start = texts[row["article"]].index(row["context"]) + row["answers"][0]["answer_start"]
        span = (start, start + len(row["answers"][0]["text"]))
        questions.append(Question(row["question"], {row["article"]: span}))
    return Case([{"id": a["id"], "title": a["title"], "text": a["text"]} for a in kept], questions)


def medquad(folder: Path) -> Case:
    """Each answer of the test part and 900 of train is a document; a question's gold is every answer to a question of its words.

    The title is the disease or drug, as on the pages that the answers come from.
    """
    asked = list(lines(folder / "test.jsonl"))
    rows = [*asked, *list(lines(folder / "train.jsonl"))[:900]]
    gold: dict[str, dict[str, None]] = {}
    for i, row in enumerate(rows):
        gold.setdefault(normalised(row["question"]), {})[f"a{i}"] = None
    documents = [{"id": f"a{i}", "title": row["focus"], "text": row["answer"]} for i, row in enumerate(rows)]
    return Case(documents, [Question(row["question"], dict(gold[normalised(row["question"])])) for row in asked])


SETS: dict[str, Callable[[Path], Case]] = {"squad_dev": squad, "covid_qa": covid, "medquad": medquad}


def main() -> None:
    """Build the index of one set, ask its questions in every way, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", choices=list(SETS), default="squad_dev")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--no-headings", action="store_true", help="search the passages without the titles above them")
    parser.add_argument("--words", action="store_true", help="by words alone: no encoder")
    args = parser.parse_args()
    case = SETS[args.set](args.data / args.set)
    settings = IndexSettings(size=args.size, headings=not args.no_headings)
    settings = settings.with_(encoder=None) if args.words else settings
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "documents.jsonl"
        rows.write_text("".join(json.dumps(one) + "\n" for one in case.documents), encoding="utf-8")
        start, spent = time.perf_counter(), time.process_time()
        index, change = PassageIndex.build(Path(folder) / "index", [str(rows)], settings, ReadSettings(id="id"))
        took = time.perf_counter() - start, time.process_time() - spent
        print(
            f"{args.set}: {len(case.documents):,} documents, {len(index):,} passages of {args.size} characters, headings "
            f"{'on' if settings.headings else 'off'}, {change.too_long:,} longer than the encoder reads; {len(case.questions):,} "
            f"questions; built in {took[0]:.0f} s ({took[1]:.0f} s of processor)\n"
        )
        ask(index, case, ["bm25"] if args.words else ["bm25", "dense", "fused"])
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


def ask(index: PassageIndex, case: Case, retrievers: list[str]) -> None:
    """The table of one index."""
    gold = [set(gold_passages(index, question)) for question in case.questions]
    texts = [question.text for question in case.questions]
    print("| | recall@1 | recall@5 | 95 % | recall@10 | MRR@10 | nDCG@10 | ms a question |")
    print("|---|---|---|---|---|---|---|---|")
    hits: dict[str, np.ndarray] = {}
    for name in retrievers:
        index.search(texts[:1], SearchSettings(retriever=name))  # the encoder is loaded once
        start = time.process_time()
        found = index.search(texts, SearchSettings(retriever=name, k=K))
        each = (time.process_time() - start) / len(texts)
        ranked = [[passage.id for passage in some] for some in found]
        at = {k: hit_at(ranked, gold, k) for k in (1, 5, 10)}
        hits[name] = at[5]
        low, high = wilson(float(at[5].mean()), len(texts), 0.95)
        print(
            f"| {name} | {at[1].mean():.3f} | {at[5].mean():.3f} | {low:.3f} to {high:.3f} | {at[10].mean():.3f} "
            f"| {reciprocal_rank_at(ranked, gold, K).mean():.3f} | {ndcg_at(ranked, gold, K).mean():.3f} | {1000 * each:.1f} |"
        )
    for name in retrievers[:2] if "fused" in retrievers else []:
        p = mcnemar(hits["fused"].astype(np.int64), hits[name].astype(np.int64))
        gain = float((hits["fused"] - hits[name]).mean())
        print(f"\nfused against {name}, recall@5: {gain:+.3f}, McNemar p = {p:.2g}")


def gold_passages(index: PassageIndex, question: Question) -> Iterator[str]:
    """The ids of the passages that hold the answer: any one of them is enough."""
    for name, span in question.gold.items():
        here = [index.passage(position) for position in index.positions(name)]
        if span is None:
            yield from (passage.id for passage in here)
        else:
            places = covering([(passage.start, passage.end) for passage in here], *span)
            yield from (here[i].id for i in places)


if __name__ == "__main__":
    main()
