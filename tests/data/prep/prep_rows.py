"""Rows for these tests, drawn from words: different texts, different labels, edits and copies where they are asked for."""

import json
import random
from pathlib import Path

TEXT = (
    "river market winter engine letter garden silver doctor window planet bridge cotton forest signal "
    "kitchen pocket mountain teacher morning harbour picture travel colour answer number island summer "
    "voyage castle memory orange thunder ticket family blanket corner dinner finger hammer jacket ladder "
    "mirror needle office pencil"
)
WORDS = TEXT.split()


def sentence(random_: random.Random, words: int = 12) -> str:
    """A sentence that no other draw is near."""
    return " ".join(random_.choice(WORDS) for _ in range(words)).capitalize() + "."


def rows(count: int, seed: int = 0, labels: int = 3, words: int = 12) -> list[dict]:
    """Examples rows."""
    random_ = random.Random(seed)
    return [{"id": f"{seed}-{i}", "text": sentence(random_, words), "label": f"l{i % labels}"} for i in range(count)]


def edited(text: str, random_: random.Random) -> str:
    """The text with one letter changed."""
    place = random_.randrange(1, len(text) - 2)
    return text[:place] + "x" + text[place + 1 :]


def write(path: Path, found: list[dict]) -> str:
    """As JSON Lines; the path as text."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    return str(path)


def read(path: Path) -> list[dict]:
    """A JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
