"""Results of a study kept in its folder as they come, so that an interrupted run goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kept:
    """`results.jsonl` of a folder, which is made: one result a line, with its `key`. done: those that are there, by key."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "results.jsonl"
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        self.done: dict[str, dict[str, Any]] = {entry["key"]: entry for entry in map(json.loads, lines)}

    def make(self, key: str, make: Callable[[], dict[str, Any]]) -> None:
        """The result of this key, where it is not there yet."""
        if key in self.done:
            return
        entry = self.done[key] = {"key": key} | make()
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry) + "\n")
        print(f"{key}: {numbers(entry)}", file=sys.stderr, flush=True)


def numbers(entry: dict[str, Any]) -> str:
    """The single numbers of a result, as they are told."""
    return ", ".join(f"{name} {value:.4g}" for name, value in entry.items() if isinstance(value, int | float))
