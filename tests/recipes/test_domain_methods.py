"""Methods that read plain text of a domain: from the command line to the report, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import tailorlm
from tiny import labelled

Base = Callable[..., Path]
NAMES = ["adapter", "adaptive", "two-step", "domain-distance"]


def write(path: Path, start: int, count: int = 18) -> Path:
    rows = labelled(count, 3, start=start)
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(rows.texts, rows.gold, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def compared(base: Base, folder: Path, domain: Path) -> tailorlm.Comparison:
    return tailorlm.compare(
        write(folder / "source.jsonl", 0),
        test=write(folder / "target.jsonl", 40),
        base=str(base("bert", "mean")),
        methods=NAMES,
        folder=folder / "runs",
        domain=str(domain),
        search_rows=2,
        leaks="drop",
    )


def test_they_stand_beside_the_others(base: Base, tmp_path: Path) -> None:
    done = compared(base, tmp_path, write(tmp_path / "texts.jsonl", 80))
    ways = {way["name"]: way for way in done.result["ways"]}
    assert {name: way["status"] for name, way in ways.items()} == dict.fromkeys(NAMES, "ok")
    assert len(ways) == 4


def test_text_that_is_asked_is_refused_by_name(base: Base, tmp_path: Path) -> None:
    done = compared(base, tmp_path, write(tmp_path / "same.jsonl", 40))
    for way in done.result["ways"]:
        assert (way["status"] == "ok") == (way["name"] == "adapter")
        if way["name"] != "adapter":
            assert re.search(r"(?s)18 texts are among the test rows.*same\.jsonl:1, .*and 10 more", way["error"])
