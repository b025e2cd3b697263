"""What redaction finds in the sets of the data folder, and how fast: the tables of docs/studies/redaction.md.

    python benchmarks/redaction.py                         finds by kind and set, rows and characters a second on one core
    python benchmarks/redaction.py --look email --limit 20     a sample of one kind with its surroundings, for reading by hand
    python benchmarks/redaction.py --planted               recall of planted identifiers, 300 of each kind
    python benchmarks/redaction.py --presidio              the same texts through presidio's recognisers, where it is installed

Values are shown on the terminal by --look alone, and nothing is written to a file.
"""

from __future__ import annotations

import argparse
import gzip
import inspect
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tailorlm.data.redact import KINDS, Kind, Phone, Redactor, find, kinds_named

DATA = Path(__file__).parents[2] / "shared" / "data"


def texts_of(value: Any) -> Iterator[str]:
    """All strings in a row, at any depth."""
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


ONLY: set[str] = set()
"""The sets to read; empty means all."""


def sets(data: Path) -> Iterator[tuple[str, list[str]]]:
    """The sets by name, each as the texts of its rows: one string a row."""
    for folder in sorted(p for p in data.iterdir() if p.is_dir() and (not ONLY or p.name in ONLY)):
        rows = []
        for path in sorted([*folder.rglob("*.jsonl"), *folder.rglob("*.jsonl.gz")]):
            reader = gzip.open if path.suffix == ".gz" else open
            with reader(path, "rt", encoding="utf-8") as lines:
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


def planted(count: int) -> None:
    """Recall of planted identifiers by the finder, as the tests plant them (tests/data/redact/identifiers.py)."""
    print("| kind | planted | found to the character | masked as another kind, or more around it | missed |")
    print("|---|---|---|---|---|")
    for kind, text, value in planted_texts(count):
        exact = other = 0
        for one, inner in zip(text, value, strict=True):
            found = [(f.kind, one[f.start : f.end]) for f in find(one)]
            exact += (kind, inner) in found
            other += (kind, inner) not in found and inner not in Redactor().apply(one)[0]
        print(f"| {kind} | {len(text)} | {exact} | {other} | {len(text) - exact - other} |")


def planted_texts(count: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Kind, sentences, and the value in each."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data" / "redact"))
    from identifiers import MAKERS, NATIONAL, shaped

    for kind, (make, sentence) in MAKERS.items():
        values = [make(random.Random(f"{kind} {i}")) for i in range(count)]
        yield kind, [sentence.format(v) for v in values], values
    for kind, (shape, sentence) in NATIONAL.items():
        scheme, random_, values = KINDS.get(kind), random.Random(kind), []
        while len(values) < count:
            number = shaped(random_, shape)
            if scheme.form.fullmatch(number) and scheme.valid(scheme.same(number)):
                values.append(number)
        yield kind, [f"As noted {sentence.format(v)}. Next." for v in values], values


def presidio(data: Path, rows_of_each: int) -> None:
    """What presidio's pattern recognisers find, at the score they give without other evidence, beside ours."""
    import presidio_analyzer.predefined_recognizers as recognisers
    from presidio_analyzer import PatternRecognizer

    classes = [c for c in vars(recognisers).values() if isinstance(c, type) and issubclass(c, PatternRecognizer)]
    # Dates, links and companies are not personal; they would only slow it down here.
    parts = [c() for c in classes if c is not PatternRecognizer and not inspect.isabstract(c)]
    left_out = {
        "DATE_TIME",
        "URL",
        "UUID",
        "AU_ABN",
        "AU_ACN",
        "SG_UEN",
        "IT_VAT_CODE",
        "DE_VAT_ID",
        "IN_GSTIN",
        "KR_BRN",
    }
    parts = [p for p in parts if not left_out & set(p.supported_entities)]
    print(f"{len(parts)} recognisers")
    extra: dict[str, Counter[str]] = defaultdict(Counter)
    rows, seconds, own_seconds = 0, 0.0, 0.0
    for _, texts in sets(data):
        for text in random.Random(0).sample(texts, min(rows_of_each, len(texts))):
            rows += 1
            start = time.process_time()
            results = [r for p in parts for r in p.analyze(text, p.supported_entities)]
            middle = time.process_time()
            ours = find(text)
            seconds, own_seconds = seconds + middle - start, own_seconds + time.process_time() - middle
            for r in results:
                known = any(f.start < r.end and r.start < f.end for f in ours)
                level = "1.0 (checked)" if r.score >= 1 else "0.5 or more" if r.score >= 0.5 else "below 0.5"
                extra[level][("also ours " if known else "only theirs ") + r.entity_type] += 1
    print(f"{rows:,} rows: presidio {rows / seconds:,.0f} rows/s, ours {rows / own_seconds:,.0f} rows/s, one core")
    for level, counts in sorted(extra.items(), reverse=True):
        print(f"score {level}: " + ", ".join(f"{k} {n:,}" for k, n in counts.most_common(25)))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--regions", nargs="*", default=[])
    parser.add_argument("--look", metavar="KIND")
    parser.add_argument("--limit", type=int, default=30)
    parser.add_argument("--around", type=int, default=30)
    parser.add_argument("--planted", type=int, nargs="?", const=300, metavar="N")
    parser.add_argument("--presidio", type=int, nargs="?", const=100, metavar="ROWS")
    parser.add_argument("--sets", nargs="*", default=[])
    options = parser.parse_args()
    ONLY.update(options.sets)
    given = [*(options.kinds or []), *([Phone(options.regions)] if options.regions else [])]
    kinds = kinds_named(given) if given else kinds_named()
    if options.planted:
        planted(options.planted)
    elif options.presidio:
        presidio(options.data, options.presidio)
    elif options.look:
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
