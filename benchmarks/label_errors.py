"""How many wrong labels the audit finds, and how often it raises a false alarm, on real rows with known mistakes.

    python benchmarks/label_errors.py [--data ../shared/data] [--sets banking77,hwu64,...] [--seeds 3] [--noise 0.05]
                                      [--encoder] [--rows 100000]

Needs the data folder, which is not part of the repository. Prints the tables of docs/studies/label_errors.md: planted
label errors, planted giveaways, and with `--rows N` the time and memory of N rows. `--encoder` judges by the vectors of
the starter encoder too. Some three minutes on one core (with `--rows 100000` six); `OMP_NUM_THREADS=1` keeps it to one.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import average_precision_score

from tailorlm.data import read
from tailorlm.data.audit import AuditSettings, audit, likely_errors
from tailorlm.data.audit.vectors import TextVectors

SETS = "banking77,hwu64,goemotions,clothing_reviews,product_reviews,pros_cons,uci_sentences,movie_reviews"


def main() -> None:
    """Run all parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--encoder", action="store_true", help="judge by the starter encoder's vectors too")
    parser.add_argument("--rows", type=int, default=0, help="time this many rows, made from banking77")
    args = parser.parse_args()
    sets = {name: rows_of(args.data / name) for name in args.sets.split(",")}
    planted_errors(sets, args.seeds, args.noise, args.encoder)
    planted_giveaways(sets)
    if args.rows:
        timed(*rows_of(args.data / "banking77"), args.rows)


def rows_of(folder: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of the train rows; of rows with several labels those that have one alone."""
    values = [row.values for row in read(next(folder.glob("train.jsonl*")))]
    if "labels" in values[0]:
        values = [{**v, "label": v["labels"][0]} for v in values if len(v["labels"]) == 1]
    return [v["text"] for v in values], [str(v["label"]) for v in values]


def planted_errors(sets: dict[str, tuple[list[str], list[str]]], seeds: int, noise: float, encoder: bool) -> None:
    """Wrong labels planted at random, and among labels that are easily confused."""
    print(f"\nPlanted label errors: {100 * noise:.0f} % of the labels, {seeds} seeds, mean (lowest).\n")
    print(
        "| set | rows | labels | vectors | noise | agrees | in first 10 % | in first 5 % | AP | flagged | right | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, (texts, labels) in sets.items():
        kinds = {"words": TextVectors().fit(texts).transform(texts)}
        if encoder:
            kinds["encoder"] = encoded(texts)
        for vectors_name, vectors in kinds.items():
            for kind in ("uniform", "confusable") if len(set(labels)) > 2 else ("uniform",):
                found = [one_run(texts, labels, vectors, kind, noise, seed) for seed in range(seeds)]
                agrees, ten, five, ap, flagged, right, seconds = np.mean(found, axis=0)
                lowest = np.min(found, axis=0)
                print(
                    f"| {name} | {len(texts):,} | {len(set(labels))} | {vectors_name} | {kind} | {agrees:.3f} "
                    f"| {100 * ten:.1f} % ({100 * lowest[1]:.1f}) | {100 * five:.1f} % ({100 * lowest[2]:.1f}) "
                    f"| {ap:.3f} | {flagged:,.0f} | {100 * right:.0f} % | {seconds:.1f} |",
                    flush=True,
                )


def one_run(
    texts: list[str], labels: list[str], vectors: np.ndarray, kind: str, noise: float, seed: int
) -> tuple[float, ...]:
    """Accuracy, share in the first tenth and twentieth, average precision, rows flagged, share planted of them, seconds."""
    noisy, wrong = planted(texts, labels, kind, noise, seed)
    start = time.perf_counter()
    found = likely_errors(texts, noisy, seed=seed, vectors=vectors)
    seconds = time.perf_counter() - start
    planted_here = np.zeros(len(texts), bool)
    planted_here[wrong] = True
    first = [planted_here[found.ranking[: len(texts) // part]].sum() / len(wrong) for part in (10, 20)]
    precision = average_precision_score(planted_here, -np.nan_to_num(found.margin, nan=1.0))
    right = planted_here[list(found.flagged)].mean() if found.flagged else 0.0
    return found.accuracy, *first, precision, len(found.flagged), float(right), seconds


def planted(texts: list[str], labels: list[str], kind: str, noise: float, seed: int) -> tuple[list[str], np.ndarray]:
    """Labels with a part made wrong, and where; 'confusable': one of the three labels whose rows use the likest words."""
    random = np.random.default_rng(seed)
    names = sorted(set(labels))
    others = {name: [other for other in names if other != name] for name in names}
    if kind == "confusable":
        words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
        which = np.array(labels)
        centres = np.vstack([np.asarray(words[which == name].mean(axis=0)) for name in names])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        near = centres @ centres.T - 2 * np.eye(len(names))
        others = {name: [names[j] for j in np.argsort(-near[i])[:3]] for i, name in enumerate(names)}
    wrong = random.choice(len(labels), int(noise * len(labels)), replace=False)
    noisy = list(labels)
    for i in wrong:
        noisy[i] = str(random.choice(others[labels[i]]))
    return noisy, wrong


def encoded(texts: list[str]) -> np.ndarray:
    """(n, 384) vectors of the starter encoder."""
    from sentence_transformers import SentenceTransformer

    from tailorlm.models.resolve import resolve

    return SentenceTransformer(str(resolve("starter").folder)).encode(texts, batch_size=64, show_progress_bar=False)


def planted_giveaways(sets: dict[str, tuple[list[str], list[str]]]) -> None:
    """Findings on rows as they are, under labels dealt at random, and with a sign planted in rows of one label."""
    plants = {
        "word": lambda text: text.replace(" ", " zqx ", 1),
        "last": lambda text: text + " zqx",
        "code": lambda text: text.replace(" ", " zq7x ", 1),
    }
    shares = (1.0, 0.75, 0.5, 0.25)
    print(
        "\nGiveaways: findings on the rows as they are and under labels dealt at random (both should be 0), and of five"
    )
    print("labels in turn how many times a sign planted in so much of the label's rows is found.\n")
    heads = [f"{name} {100 * share:.0f} %" for name in plants for share in shares]
    print("| set | as is | random | " + " | ".join(heads) + " |")
    print("|---" * (3 + len(heads)) + "|")
    settings = AuditSettings(checks=("giveaway",))
    for name, (texts, labels) in sets.items():
        mixed = [labels[i] for i in np.random.default_rng(0).permutation(len(labels))]
        clean, dealt = len(audit(texts, labels, settings=settings)), len(audit(texts, mixed, settings=settings))
        names = sorted(set(labels), key=lambda label: (-labels.count(label), label))[:5]
        cells = []
        for plant in plants.values():
            for share in shares:
                hits = 0
                for label in names:
                    rows = [i for i, own in enumerate(labels) if own == label]
                    new = list(texts)
                    for i in np.random.default_rng(1).permutation(rows)[: round(share * len(rows))]:
                        new[i] = plant(texts[i])
                    hits += any("zq" in str(f.details) for f in audit(new, labels, settings=settings))
                cells.append(f"{hits}/{len(names)}")
        print(f"| {name} | {clean} | {dealt} | " + " | ".join(cells) + " |", flush=True)


def timed(texts: list[str], labels: list[str], n: int) -> None:
    """Time and memory of n rows: real ones, and copies with a sixth of the words exchanged."""
    random = np.random.default_rng(0)
    split = [text.split() for text in texts]
    pool = [word for words in split for word in words]
    many, theirs = [], []
    for k in range(n):
        words = list(split[k % len(texts)])
        for _ in range(len(words) // 6 + 1 if k >= len(texts) else 0):
            words[random.integers(len(words))] = pool[random.integers(len(pool))]
        many.append(" ".join(words))
        theirs.append(labels[k % len(texts)])
    print(
        f"\n{n:,} rows made from banking77:\n\n| what | processor s | wall s | MB before | MB at the peak |\n|---|---|---|---|---|"
    )
    for what, job in (
        ("likely_errors", lambda: likely_errors(many, theirs)),
        ("whole audit", lambda: audit(many, theirs)),
    ):
        before, start, used = peak(), time.perf_counter(), time.process_time()
        job()
        print(
            f"| {what} | {time.process_time() - used:.0f} | {time.perf_counter() - start:.0f} | {before} | {peak()} |"
        )


def peak() -> int:
    """The most memory this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
