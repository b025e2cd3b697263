"""Sixty rows about three topics, and one comparison of all nine methods that many tests look at."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tailorlm import api
from tiny import labelled

Base = Callable[..., Path]


def write_rows(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """A CSV with the columns text and label."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows])
    return path


def some_rows(count: int, labels: int = 3, *, start: int = 0) -> list[tuple[str, str]]:
    """Texts and labels, a function of the arguments alone; equal texts are made different by a number behind them."""
    rows = labelled(count, labels, start=start)
    return [(f"{text} {start + i}", label) for i, (text, label) in enumerate(zip(rows.texts, rows.gold, strict=True))]


def quick(name: str = "quick", weights: Any = "head", **changes: Any) -> dict[str, Any]:
    """A recipe that trains for a moment, without a search."""
    train = {"epochs": 2, "rows_per_step": 16, "warmup": 0} | changes.pop("train", {})
    return {"name": name, "stages": [{"weights": weights, "train": train}], "search": {}} | changes


@dataclass(frozen=True)
class Nine:
    """The comparison of all nine methods, the rows' file, and the base model's folder."""

    comparison: api.Comparison
    rows: Path
    base: Path

    @property
    def runs(self) -> list[Path]:
        """The run folders."""
        return sorted(p for p in (self.comparison.folder / "runs").iterdir() if not p.name.startswith("."))


@pytest.fixture(scope="session")
def nine(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Nine:
    folder = tmp_path_factory.mktemp("nine")
    rows = write_rows(folder / "rows.csv", some_rows(60))
    model = base("bert", "mean")
    return Nine(api.compare(rows, base=str(model), folder=folder / "runs", search_rows=20), rows, model)
