"""Near-duplicate search beside rensa, datasketch and datatrove: seconds, peak memory, recall against exact Jaccard.

    python benchmarks/near_duplicates.py [--rows 20000] [--data ../shared/data] [--tools ...] [--rounds 2]

Rows are the sentences of the data folder `general_text`, shuffled; 60 in 100 as they stand, the others copies of those (as
they were, in capitals, or with one to three small edits). All tools get the same shingles (3 characters of the folded
text), the same bands and the same true check of their candidates; the peers get the texts folded beforehand, which is not
counted. Every measurement is a process of its own, one thread unless its name says otherwise, in turns (A B A B).
Peers that are not installed are left out (`pip install rensa datasketch datatrove tokenizers regex 'xxhash<4'`).
Recall and precision are measured on sampled rows against all others by plain sets.

    python benchmarks/near_duplicates.py --edits [--data ../shared/data]

prints how often a short message (of the folder `banking77`) with one small edit is still near itself.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from prep_rows import edited

from tailorlm.data.near import Near, Shingles
from tailorlm.data.quality import normalised

SIZE, SEED = 3, 7
NEEDS = {
    "tailorlm": [],
    "tailorlm, 2 threads": [],
    "rensa": ["rensa"],
    "datasketch": ["datasketch"],
    "datatrove": ["datatrove", "tokenizers", "xxhash", "regex"],
}


def main() -> None:
    """Make the rows, measure every tool in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--tools", default=";".join(NEEDS), help="names between semicolons")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sample", type=int, default=300, help="rows on which recall is measured; 0 leaves it out")
    parser.add_argument("--edits", action="store_true", help="what one small edit does to a short row")
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(*args.one, args.threshold)
        return
    if args.edits:
        show_edits(args.data / "banking77" / "test.jsonl")
        return
    tools = [tool for tool in args.tools.split(";") if all(map(importlib.util.find_spec, NEEDS[tool]))]
    for tool in set(args.tools.split(";")) - set(tools):
        print(f"{tool}: not installed, left out")
    with tempfile.TemporaryDirectory() as folder:
        texts = made_rows(args.data / "general_text", args.rows)
        write_rows(Path(folder), texts)
        truth = true_partners(texts, args.sample, args.threshold)
        print(
            f"{len(texts):,} rows of {np.mean([len(t) for t in texts]):.0f} characters, threshold {args.threshold}; ",
            end="",
        )
        print(f"{len(truth)} sampled rows with {sum(map(len, truth.values()))} true partners")
        found: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
        for _ in range(args.rounds):
            for tool in tools:
                found[tool].append(child(tool, folder, args.threshold))
                found[tool][-1] |= quality(np.load(f"{folder}/labels.npy"), truth)
                print(tool, found[tool][-1], file=sys.stderr, flush=True)
        show(found, len(texts))


def child(tool: str, folder: str, threshold: float) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", tool, folder, "--threshold", str(threshold)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(tool: str, folder: str, threshold: float) -> None:
    """Run one tool over the rows of the folder, save the cluster of every row, print what it cost."""
    rows = RowFile(Path(folder))
    run = {"rensa": rensa, "datasketch": datasketch, "datatrove": datatrove}.get(tool)
    before = peak()
    started, cpu = time.perf_counter(), time.process_time()
    if run is None:
        labels, bytes_per_row = tailorlm(rows, threshold, 2 if "2 threads" in tool else 1)
    else:
        labels, bytes_per_row = run(rows, threshold), float("nan")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    np.save(f"{folder}/labels.npy", labels)
    print(json.dumps({"wall": seconds, "cpu": cpu, "memory": (peak() - before) / 1e6, "bytes": bytes_per_row}))


class RowFile:
    """The rows in a file, one JSON string a line: read as a stream, or by number."""

    def __init__(self, folder: Path):
        self.path = folder / "rows.jsonl"
        self.folded_path = folder / "folded.jsonl"
        self.starts = np.load(folder / "starts.npy")

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[str]:
        with open(self.path, "rb") as file:
            yield from map(json.loads, file)

    def folded(self) -> Iterator[str]:
        """The rows as `normalised` leaves them, prepared beforehand."""
        with open(self.folded_path, "rb") as file:
            yield from map(json.loads, file)

    def fetch(self, asked: Sequence[int]) -> list[str]:
        """The rows of these numbers, read again."""
        found = []
        with open(self.path, "rb") as file:
            for row in asked:
                file.seek(self.starts[row])
                found.append(json.loads(file.readline()))
        return found


def tailorlm(rows: RowFile, threshold: float, workers: int) -> tuple[np.ndarray, float]:
    """Ours, from a stream; candidates are read again from the file."""
    near = Near(threshold=threshold, shingle=SIZE, seed=SEED, workers=workers)
    near.add(rows)
    labels = np.arange(len(rows))
    for cluster in near.clusters(rows.fetch):
        labels[list(cluster.indices)] = cluster.indices[0]
    return labels, near.bytes_per_row


def shingled(texts: Iterable[str]) -> Iterator[list[str]]:
    """The shingles of folded texts, as everybody writes it."""
    for text in texts:
        yield list({text[i : i + SIZE] for i in range(max(1, len(text) - SIZE + 1))})


def bands_of(threshold: float) -> tuple[int, int]:
    """The bands that ours takes at this threshold."""
    bands = Near(threshold=threshold, shingle=SIZE).bands
    return bands.number, bands.rows


def joined(rows: RowFile, threshold: float, candidates: Iterable[tuple[int, int]]) -> np.ndarray:
    """Clusters from candidates: those not yet together are checked by their true similarity, on sets kept as they come."""
    parents = list(range(len(rows)))
    folded = list(rows.folded())

    def top(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    for i, j in candidates:
        low, high = sorted((top(i), top(j)))
        if low != high:
            left, right = (set(own) for own in shingled((folded[i], folded[j])))
            if len(left & right) >= threshold * len(left | right):
                parents[high] = low
    return np.array([top(row) for row in range(len(rows))])


def datasketch(rows: RowFile, threshold: float) -> np.ndarray:
    """datasketch: MinHash.bulk, an LSH index in memory, every row asked for."""
    from datasketch import MinHash, MinHashLSH

    number, width = bands_of(threshold)
    index = MinHashLSH(num_perm=number * width, params=(number, width))
    encoded = ([shingle.encode("utf-8", "surrogatepass") for shingle in own] for own in shingled(rows.folded()))

    def candidates() -> Iterator[tuple[int, int]]:
        for row, signature in enumerate(MinHash.generator(encoded, num_perm=number * width, seed=SEED)):
            yield from ((other, row) for other in sorted(index.query(signature)))
            index.insert(row, signature, check_duplication=False)

    return joined(rows, threshold, candidates())


def rensa(rows: RowFile, threshold: float) -> np.ndarray:
    """rensa: R-MinHash in Rust over whole sets, its LSH index, every row asked for."""
    from rensa import RMinHash, RMinHashLSH

    number, width = bands_of(threshold)
    index = RMinHashLSH(threshold, number * width, number)

    def candidates() -> Iterator[tuple[int, int]]:
        done, held = 0, []
        for own in shingled(rows.folded()):
            held.append(own)
            if len(held) == 4096 or done + len(held) == len(rows):
                signatures = RMinHash.from_token_sets(held, number * width, SEED)
                index.insert_many(signatures, done)
                for row, met in enumerate(index.query_all(signatures), done):
                    yield from ((other, row) for other in sorted(met) if other < row)
                done, held = done + len(held), []

    return joined(rows, threshold, candidates())


def datatrove(rows: RowFile, threshold: float) -> np.ndarray:
    """datatrove: its three stages over files; it joins candidates without looking at them again."""
    import logging
    import struct

    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupSignature,
    )
    from datatrove.utils.logging import logger
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    logger.remove()
    logging.disable()

    class Characters(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return list(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    number, width = bands_of(threshold)
    plain = TextNormConfig(False, False, False, False, False)
    config = MinhashConfig(SIZE, number, width, norm_config=plain)
    with tempfile.TemporaryDirectory() as work:
        documents = (Document(text, str(i)) for i, text in enumerate(rows.folded()))
        MinhashDedupSignature(f"{work}/s", config, language=Characters()).run(documents)
        for bucket in range(number):
            # Files are read some hundred signatures at a time: its default of five would measure the disk.
            stage = MinhashDedupBuckets(f"{work}/s", f"{work}/b", config=config, lines_to_buffer=1000)
            stage.run(rank=bucket, world_size=number)
        MinhashDedupCluster(f"{work}/b", f"{work}/c", config=config, save_cluster_id=True, lines_to_buffer=1000).run()
        data = b"".join(path.read_bytes() for path in Path(work, "c").glob("*.clusters"))
    labels = np.arange(len(rows))
    for row, cluster in struct.iter_unpack("<2I", data):
        labels[row] = len(rows) + cluster
    return labels


def made_rows(folder: Path, count: int) -> list[str]:
    """Real sentences of 20 to 300 characters, and copies of them."""
    rnd = random.Random(SEED)
    sentences = {
        sentence: None
        for path in sorted(folder.glob("train-*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", json.loads(line)["text"])
        if 20 <= len(sentence) <= 300
    }
    if not sentences:
        sys.exit(f"there are no sentences under {folder}")
    texts = list(sentences)
    rnd.shuffle(texts)
    texts = texts[: (originals := max(1, min(len(texts), count * 6 // 10)))]
    while len(texts) < count:
        old = texts[rnd.randrange(originals)]
        texts.append(rnd.choice([old, old.upper(), *(edited(old, rnd) for _ in range(3))]))
    rnd.shuffle(texts)
    return texts


def show_edits(path: Path) -> None:
    """Share of messages whose edited copy has a similarity of the threshold or more, edit by edit."""
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()][::6]
    ways = [(3, 0.6), (3, 0.7), (3, 0.8), (5, 0.6), (5, 0.7), (5, 0.8)]
    print(f"{len(texts)} messages\n\n| |", *(f"{size} characters, {threshold} |" for size, threshold in ways))
    print("|---" * (len(ways) + 1) + "|")
    for name in EDITS:
        rnd = random.Random(SEED)
        copies = [small_edit(text, name, rnd) for text in texts]
        cells = []
        for size, threshold in ways:
            left, right = Shingles(size).sets(texts), Shingles(size).sets(copies)
            near = [len(a & b) >= threshold * len(a | b) for a, b in zip(left, right, strict=True)]
            cells.append(f"{np.mean(near):.2f} |")
        print(f"| {name} |", *cells)


ONE, TWO = "one character changed", "two characters changed"
EDITS = (ONE, TWO, "a word left out", "a word put in", "two words swapped", "a word replaced", "a greeting before")


def small_edit(text: str, name: str, rnd: random.Random) -> str:
    """A copy of the text with the edit of this name at a random place."""
    if name in (ONE, TWO):
        for _ in range(1 + (name == TWO)):
            at = rnd.randrange(len(text))
            text = text[:at] + rnd.choice("abcdefghijklmnopqrstuvwxyz") + text[at + 1 :]
        return text
    words = text.split()
    at = rnd.randrange(len(words))
    changed = {
        "a word left out": [*words[:at], *words[at + 1 :]],
        "a word put in": [*words[:at], rnd.choice(["please", "really", "now", "just", "actually"]), *words[at:]],
        "two words swapped": [*words[:at], *words[at : at + 2][::-1], *words[at + 2 :]],
        "a word replaced": [*words[:at], rnd.choice(["card", "money", "account", "today", "bank"]), *words[at + 1 :]],
        "a greeting before": [rnd.choice(["Hi,", "Hello,", "Good morning,"]), *words],
    }
    return " ".join(changed[name])


def write_rows(folder: Path, texts: Sequence[str]) -> None:
    """The rows as a file with the place of every line, and folded for the peers."""
    lines = [json.dumps(text).encode() + b"\n" for text in texts]
    (folder / "rows.jsonl").write_bytes(b"".join(lines))
    np.save(folder / "starts.npy", np.cumsum([0, *map(len, lines)])[:-1])
    (folder / "folded.jsonl").write_text(
        "".join(json.dumps(normalised(text)) + "\n" for text in texts), encoding="utf-8"
    )


def true_partners(texts: Sequence[str], sample: int, threshold: float) -> dict[int, list[int]]:
    """For sampled rows all other rows at the threshold, by their sets of shingles."""
    if not sample:
        return {}
    numbers: dict[str, int] = {}
    flat = np.empty(sum(map(len, texts)) + len(texts), np.int32)
    sizes = np.empty(len(texts), np.int64)
    at = 0
    for i, own in enumerate(shingled(map(normalised, texts))):
        sizes[i] = len(own)
        flat[at : at + len(own)] = [numbers.setdefault(shingle, len(numbers)) for shingle in own]
        at += len(own)
    starts = np.cumsum(sizes) - sizes
    partners: dict[int, list[int]] = {}
    for row in sorted(random.Random(SEED).sample(range(len(texts)), min(sample, len(texts)))):
        held = np.zeros(len(numbers), np.int32)
        held[flat[starts[row] : starts[row] + sizes[row]]] = 1
        shared = np.add.reduceat(held[flat[:at]], starts)
        alike = np.flatnonzero(shared >= threshold * (sizes + sizes[row] - shared))
        partners[row] = [int(other) for other in alike if other != row]
    return partners


def quality(labels: np.ndarray, truth: dict[int, list[int]]) -> dict[str, float]:
    """Share of true pairs that are in one cluster, and of clustered rows that have a true partner at all."""
    pairs = [labels[row] == labels[other] for row, others in truth.items() for other in others]
    sizes = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    clustered = [bool(others) for row, others in truth.items() if sizes[labels[row]] > 1]
    recall, precision = (float(np.mean(found)) if found else float("nan") for found in (pairs, clustered))
    return {"recall": recall, "precision": precision, "kept": len(sizes)}


def show(found: dict[str, list[dict[str, float]]], rows: int) -> None:
    """The table: best of the rounds for time, and all rounds' spread beside it."""
    heads = (
        "tool|wall s, all rounds|processor s|µs a row|times datasketch|peak MB|bytes a row|recall|precision|rows left"
    )
    print(f"\n| {heads.replace('|', ' | ')} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    reference = min((one["cpu"] for one in found.get("datasketch", [])), default=float("nan"))
    for tool, rounds in found.items():
        best = min(one["cpu"] for one in rounds)
        walls = ", ".join(f"{one['wall']:.1f}" for one in rounds)
        last = rounds[-1]
        print(
            f"| {tool} | {walls} | {best:.1f} | {best / rows * 1e6:.0f} | {reference / best:.1f} | {last['memory']:.0f} | "
            f"{last['bytes']:.0f} | {last['recall']:.3f} | {last['precision']:.3f} | {last['kept']:,.0f} |"
        )


def peak() -> float:
    """The most memory this process has held, in bytes (Linux; getrusage would count the parent's)."""
    return 1024.0 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


if __name__ == "__main__":
    main()
