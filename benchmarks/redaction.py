"""What redaction finds in the sets of the data folder, and how fast: the tables of docs/studies/redaction.md.

    python benchmarks/redaction.py                         finds by kind and set, rows and characters a second on one core
    python benchmarks/redaction.py --look email --limit 20     a sample of one kind with its surroundings, for reading by hand
    python benchmarks/redaction.py --planted               recall of planted identifiers, and the finds among near misses
    python benchmarks/redaction.py --presidio              the same texts through presidio's recognisers, where it is installed

Values are shown on the terminal by --look alone, and nothing is written to a file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tailorlm.data.redact import Kind, Phone, find, kinds_named

DATA = Path(__file__).parents[2] / "shared" / "data"


def texts_of(value: Any) -> Iterator[str]:
    """All strings in a row, at any depth, of more than one word or with an at sign or digits."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        # Tokens of one sentence are one text again.
        if value and all(isinstance(v, str) for v in value):
            yield " ".join(value)
        else:
            for inner in value:
                yield from texts_of(inner)


def sets(data: Path) -> Iterator[tuple[str, list[str]]]:
    """The sets by name, each as the texts of its rows: one string a row."""
    for folder in sorted(p for p in data.iterdir() if p.is_dir()):
        rows = []
        for path in sorted([*folder.rglob("*.jsonl"), *folder.rglob("*.jsonl.gz")]):
            opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
            with opened as lines:
                rows += ["\n".join(texts_of(json.loads(line))) for line in lines if line.strip()]
        if rows:
            yield folder.name, rows


def count(data: Path, kinds: tuple[Kind, ...]) -> None:
    """Finds by kind and set, and the speed of finding and of masking."""
    total: Counter[str] = Counter()
    print("| set | rows | characters | rows/s | million characters/s | rows with a find | finds |")
    print("|---|---|---|---|---|---|---|")
    all_rows, all_seconds, all_characters = 0, 0.0, 0
    for name, rows in sets(data):
        here: Counter[str] = Counter()
        touched = 0
        start = time.process_time()
        for text in rows:
            found = find(text, kinds)
            touched += bool(found)
            here.update(f.kind for f in found)
        seconds = time.process_time() - start
        characters = sum(map(len, rows))
        total += here
        all_rows, all_seconds, all_characters = all_rows + len(rows), all_seconds + seconds, all_characters + characters
        listed = ", ".join(f"{k} {n}" for k, n in here.most_common()) or "none"
        print(
            f"| {name} | {len(rows):,} | {characters:,} | {len(rows) / seconds:,.0f} | {characters / seconds / 1e6:.2f} | "
            f"{touched:,} | {listed} |"
        )
    print(
        f"\nall: {all_rows:,} rows, {all_rows / all_seconds:,.0f} rows/s, {all_characters / all_seconds / 1e6:.2f} million characters/s"
    )
    print(", ".join(f"{k} {n}" for k, n in total.most_common()))


def look(data: Path, kind: Kind, limit: int, around: int) -> None:
    """A random sample of the finds of one kind, with what stands around them."""
    found = [(name, text, each) for name, rows in sets(data) for text in rows for each in find(text, [kind])]
    random.Random(0).shuffle(found)
    print(f"{kind.name}: {len(found)} finds")
    for name, text, each in found[:limit]:
        before, behind = text[max(0, each.start - around) : each.start], text[each.end : each.end + around]
        print(f"{name}: {before!r} >>>{text[each.start : each.end]!r}<<< {behind!r}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--regions", nargs="*", default=[])
    parser.add_argument("--look", metavar="KIND")
    parser.add_argument("--limit", type=int, default=30)
    parser.add_argument("--around", type=int, default=30)
    options = parser.parse_args()
    given = [*(options.kinds or []), *([Phone(options.regions)] if options.regions else [])]
    kinds = kinds_named(given) if given else kinds_named()
    if options.look:
        look(
            options.data,
            kinds_named([options.look])[0] if not options.regions else Phone(options.regions),
            options.limit,
            options.around,
        )
    else:
        count(options.data, kinds)


if __name__ == "__main__":
    main()
