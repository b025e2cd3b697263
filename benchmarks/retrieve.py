"""What tuning an encoder for search brings, beside words, the frozen encoder and both: medical questions and the answers to them.

    OMP_NUM_THREADS=1 nice -n 5 python benchmarks/retrieve.py [--data ../shared/data] [--rows 160] [--ways NAMES] [--seeds 3] [--out retrieve-runs]

Needs the data folder, which is not part of the repository, and the starter encoder. Prints the lines of docs/studies/retrieval.md. Settings
are fixed, one set for all tuned ways, so that it takes some ten minutes of one core; a comparison of one's own rows searches them (`tailor compare`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from retrieval import lines

import tailorlm

METRICS = ("ndcg_10", "mrr_10", "recall_1", "recall_10")


def ways(passes: int) -> list[dict[str, Any]]:
    """Recipes: nothing learns, one linear step, LoRA from other questions' answers, from hard ones, and joined with words."""
    train = {"epochs": passes, "rows_per_step": 16, "patience": None}

    def lora(name: str, objective: Any, **more: Any) -> dict[str, Any]:
        stage = {"weights": {"part": "lora", "lr": 1e-3}, "objective": objective, "train": train}
        return {"name": name, "stages": [stage], "search": {}} | more

    step = {"weights": {"part": "head", "lr": 1e-3}, "objective": "ranking", "train": train | {"epochs": 10}}
    return [
        {"name": "bm25", "context": {"part": "search", "retriever": "bm25"}},
        {"name": "frozen"},
        {"name": "frozen-and-words", "context": {"part": "search", "retriever": "fused"}},
        {"name": "linear-step", "stages": [step], "search": {}},
        lora("lora", "ranking"),
        lora("lora-hard", {"part": "ranking", "mined": 8}),
        lora("lora-and-words", "ranking", context={"part": "search", "retriever": "fused"}),
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    """The rows as a file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def main() -> None:
    """Compare the ways on one split, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--others", type=int, default=180, help="answers to other questions, which are searched too")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--ways", help="names with commas between; all without it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--length", type=int, default=64, help="tokens read of a question or an answer")
    parser.add_argument("--out", type=Path, default=Path("retrieve-runs"))
    args = parser.parse_args()
    asked = [way for way in ways(args.passes) if not args.ways or way["name"] in args.ways.split(",")]
    train, test = (list(lines(args.data / "medquad" / f"{part}.jsonl")) for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        others = train[args.rows : args.rows + args.others]
        result = tailorlm.compare(
            written(root / "medquad.jsonl", train[: args.rows]),
            test=written(root / "test.jsonl", test[: args.rows]),
            task={
                "part": "retrieve",
                "max_length": args.length,
                "passages": written(root / "others.jsonl", [{"passage": row["answer"]} for row in others]),
            },
            methods=asked,
            folder=args.out,
            seeds=args.seeds,
            leaks="drop",
        ).result
    data = result["data"]
    print(f"{data['train']['rows']} train, {data['test']['rows']} test questions, {args.seeds} seeds")
    print("\n".join(f"- {finding['message']}" for finding in data["findings"]), end="\n\n")
    print(f"| way | {' | '.join(METRICS)} | 95 % of nDCG | against the best | seconds to fit | forgotten |")
    print("|---" * (len(METRICS) + 5) + "|")
    for way in result["ways"]:
        scores, against = way["scores"], way["against_best"] or {}
        main_score = scores["ndcg_10"]
        cells = [f"{scores[name]['value']:.3f}" for name in METRICS]
        cells += [f"{main_score['low']:.3f} to {main_score['high']:.3f}"]
        cells += [f"{against['difference']:+.3f}, {way['verdict']}" if against else way["verdict"]]
        drift = (way["forgotten"] or {}).get("drift")
        cells += [f"{way['cost']['fit_seconds']:.0f}", "-" if drift is None else f"{drift:.3f}"]
        print(f"| {way['name']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
