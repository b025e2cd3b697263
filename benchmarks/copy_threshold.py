"""From which similarity on two rows are copies: light edits found, and different rows lost, by length, on real sets.

    python benchmarks/copy_threshold.py [--data ../shared/data] [--rows 4000] [--examples banking77]

Every row of a set gets a copy with one light edit of each kind (`near_duplicates.EDITS`); *found* is the share of those whose true
Jaccard similarity reaches the threshold. *Lost* is the share of the rows of the set as it is, copies that are equal when folded
left out, that `deduplicate` would drop at that threshold (rows of one label, the first stays). *Other label* is the share of the
pairs at the threshold whose labels differ: those are certainly no copies, so it says how often alike rows are different ones.
`auto` is the step's default (`near.Bar`). Shingles are 3 characters where half of the rows are short (300 characters), else 5, as
in the step.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from near_duplicates import EDITS, SEED, small_edit
from scipy.sparse import csr_array, triu

from tailorlm.data import read
from tailorlm.data.near import Bar, Shingles, shingle_for
from tailorlm.data.quality import normalised

SETS = {
    "hwu64": "train.jsonl.gz",
    "banking77": "train.jsonl.gz",
    "pros_cons": "train.jsonl",
    "uci_sentences": "train.jsonl",
    "product_reviews": "train.jsonl.gz",
    "goemotions": "train.jsonl.gz",
    "clothing_reviews": "train.jsonl.gz",
}
LABELS = {"clothing_reviews": "rating", "goemotions": "labels"}
LENGTHS = (0, 20, 40, 80, 160, 320, 10**9)
THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8)
Rule = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Both tables, and examples where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--examples", help="a set of which pairs are shown")
    args = parser.parse_args()
    rules: dict[str, Rule] = {f"{t:.2f}": (lambda n, t=t: np.full(n.shape, t)) for t in THRESHOLDS}
    rules["auto"] = lambda n: Bar().of(n, n)
    heads = [f"{name} found, lost, other label" for name in rules]
    print("| set | characters |", " | ".join(heads), "|")
    print("|---|---|" + "---|" * len(heads))
    spread: dict[int, list[list[float]]] = {}
    for name, file in SETS.items():
        texts, labels = rows_of(args.data / name / file, LABELS.get(name, "label"), args.rows)
        size = shingle_for(texts)
        lengths = np.array([len(text) for text in texts])
        edits = edited(texts, size)
        pairs = alike(texts, size)
        cells = []
        for rule in rules.values():
            needed = rule(lengths)
            found = float((edits >= needed[:, None]).mean())
            lost, other = judged(pairs, rule, lengths, labels)
            cells.append(f"{found:.2f}, {lost:.3f}, {other:.2f}")
        print(f"| {name} ({len(texts)}) | {np.median(lengths):.0f} |", " | ".join(cells), "|")
        for low, high in itertools.pairwise(LENGTHS):
            inside = (lengths >= low) & (lengths < high)
            if size == 3 and inside.any():
                spread.setdefault(low, []).extend((edits[inside]).tolist())
        if name == args.examples:
            show(pairs, texts, labels)
    print("\n| characters | edits |", " | ".join(f"{t:.2f}" for t in THRESHOLDS), "|")
    print("|---|---|" + "---|" * len(THRESHOLDS))
    for low, each in sorted(spread.items()):
        table = np.array(each)
        shares = [f"{(table >= t).mean():.2f}" for t in THRESHOLDS]
        print(f"| {low} or more | {table.size} |", " | ".join(shares), "|")


def rows_of(path: Path, label: str, most: int) -> tuple[list[str], list[str]]:
    """Texts that are different when folded, in an order of chance, with their labels."""
    first: dict[str, tuple[str, str]] = {}
    for row in read(path):
        text = str(row.values["text"])
        if len(text.split()) >= 3:
            first.setdefault(normalised(text), (text, str(row.values[label])))
    kept = list(first.values())
    random.Random(SEED).shuffle(kept)
    return [text for text, _ in kept[:most]], [label for _, label in kept[:most]]


def edited(texts: Sequence[str], size: int) -> np.ndarray:
    """(texts, edits) similarities of every text with its edited copies."""
    rnd = random.Random(SEED)
    own = Shingles(size).sets(texts)
    columns = []
    for name in EDITS:
        copies = Shingles(size).sets([small_edit(text, name, rnd) for text in texts])
        columns.append([len(a & b) / max(1, len(a | b)) for a, b in zip(own, copies, strict=True)])
    return np.array(columns).T


def alike(texts: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows left and right and the similarity of all pairs from 0.5 on, by exact sets."""
    sets = Shingles(size).sets(texts)
    numbers: dict[int, int] = {}
    columns = [numbers.setdefault(shingle, len(numbers)) for own in sets for shingle in own]
    starts = np.concatenate(([0], np.cumsum([len(own) for own in sets])))
    table = csr_array((np.ones(len(columns), np.int32), columns, starts), shape=(len(sets), len(numbers)))
    shared = triu(table @ table.T, 1).tocoo()
    sizes = np.diff(starts)
    similar = shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data)
    near = similar >= 0.5
    return shared.row[near], shared.col[near], similar[near]


def judged(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray], rule: Rule, lengths: np.ndarray, labels: Sequence[str]
) -> tuple[float, float]:
    """Share of rows lost, and share of the pairs at the threshold with different labels."""
    left, right, similar = pairs
    at = similar >= rule((lengths[left] + lengths[right]) / 2)
    names = np.array(labels)
    same = names[left] == names[right]
    copies: dict[int, list[int]] = {}
    for i, j in zip(left[at & same].tolist(), right[at & same].tolist(), strict=True):
        copies.setdefault(max(i, j), []).append(min(i, j))
    gone: set[int] = set()
    for row in sorted(copies):
        if any(other not in gone for other in copies[row]):
            gone.add(row)
    return len(gone) / len(labels), float((~same[at]).mean()) if at.any() else float("nan")


def show(pairs: tuple[np.ndarray, np.ndarray, np.ndarray], texts: Sequence[str], labels: Sequence[str]) -> None:
    """Some pairs of one label by how alike they are."""
    for low in (0.6, 0.65, 0.7, 0.75, 0.8):
        inside = [
            (i, j, s)
            for i, j, s in zip(*(part.tolist() for part in pairs), strict=True)
            if low <= s < low + 0.05 and labels[i] == labels[j]
        ]
        print(f"\n{low:.2f} to {low + 0.05:.2f}: {len(inside)} pairs")
        for i, j, s in random.Random(SEED).sample(inside, min(10, len(inside))):
            print(f"  {s:.2f}  {texts[i]}\n        {texts[j]}")


if __name__ == "__main__":
    main()
