"""Rows for benchmarks of data preparation: real sentences, copies of them, and what real files bring along.

Of a hundred rows 75 are sentences of 20 to 300 characters of the data folders (where they run out, the first half of one and
the second half of another of the same source), 25 are copies: as they were, in capitals, or with one to three small edits.
Five in a hundred are dirty (entities, tags, mojibake, stray white space), two hold a made-up e-mail address or telephone number.
The label is the source. The same count and seed make the same bytes.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = {
    "business": "corpus_business",
    "legal": "corpus_legal",
    "medical": "corpus_medical",
    "technical": "corpus_python_peps",
    "general": "general_text",
}
SEED = 7
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_COPIES, _DIRTY, _PRIVATE = 0.25, 0.05, 0.02


def sentences(folder: Path) -> dict[str, list[str]]:
    """Label -> different sentences of 20 to 300 characters, in the order of the files."""
    found: dict[str, list[str]] = {}
    for label, name in SOURCES.items():
        kept: dict[str, None] = {}
        for path in sorted((folder / name).glob("train*.jsonl.gz")):
            for line in gzip.decompress(path.read_bytes()).splitlines():
                for sentence in _SENTENCE.split(json.loads(line)["text"]):
                    if 20 <= len(sentence) <= 300:
                        kept[sentence] = None
        found[label] = list(kept)
    if not any(found.values()):
        raise SystemExit(f"there are no sentences under {folder}")
    return found


def rows(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    """`count` pairs of text and label."""
    rnd = random.Random(SEED)
    by_label = sentences(folder)
    fresh = [(text, label) for label, texts in by_label.items() for text in texts]
    rnd.shuffle(fresh)
    seen: list[tuple[str, str]] = []
    for _ in range(count):
        if seen and rnd.random() < _COPIES:
            text, label = rnd.choice(seen)
            text = rnd.choice([text, text.upper(), edited(text, rnd), edited(text, rnd)])
        else:
            text, label = fresh.pop() if fresh else spliced(by_label, rnd)
            seen.append((text, label))
        if rnd.random() < _DIRTY:
            text = dirtied(text, rnd)
        if rnd.random() < _PRIVATE:
            text = with_private(text, rnd)
        yield text, label


def spliced(by_label: dict[str, list[str]], rnd: random.Random) -> tuple[str, str]:
    """The first half of the words of one sentence and the second half of another."""
    (_, label), texts = rnd.choice(_places(by_label)), []
    texts = [rnd.choice(by_label[label]).split() for _ in range(2)]
    return " ".join(texts[0][: len(texts[0]) // 2] + texts[1][len(texts[1]) // 2 :]), label


def edited(text: str, rnd: random.Random) -> str:
    """One to three places where up to two characters are put in, changed or taken out."""
    for _ in range(rnd.randint(1, 3)):
        at = rnd.randrange(len(text))
        text = text[:at] + rnd.choice(["", "x", "ab"]) + text[at + rnd.randint(0, 1) :]
    return text


def dirtied(text: str, rnd: random.Random) -> str:
    """The text as a careless export leaves it."""
    way = rnd.randrange(4)
    if way == 0:
        return text.replace(" ", "  ", 2) + " \r\n"
    if way == 1:
        return f"<p>{text.replace('&', '&amp;')}&nbsp;</p>"
    if way == 2:
        return f"{text} It costs 20\u00e2\u201a\u00ac at the caf\u00c3\u00a9."
    return f"\ufeff{text}\u200b"


def with_private(text: str, rnd: random.Random) -> str:
    """The text with an address or a number of nobody."""
    number = rnd.randrange(10**7)
    return rnd.choice([f"{text} Write to user{number}@mail-{number % 97}.org", f"{text} Call +49 30 {number:07d}."])


def write(folder: Path, count: int, target: Path) -> None:
    """The rows as JSON Lines with the columns id, text and label."""
    with target.open("w", encoding="utf-8") as file:
        for number, (text, label) in enumerate(rows(folder, count)):
            file.write(json.dumps({"id": number, "text": text, "label": label}, ensure_ascii=False) + "\n")


def _places(by_label: dict[str, list[str]]) -> list[tuple[int, str]]:
    return [(i, label) for i, label in enumerate(by_label)]
