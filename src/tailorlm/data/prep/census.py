"""A count over all rows, before the first step and after the last: what the pictures of the audit are drawn from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tailorlm.data.clean import identify
from tailorlm.data.steps.base import Item
from tailorlm.data.steps.fields import Fields

MOST_LABELS = 5000
LANGUAGES_OF = 4000
"""Rows whose language is looked at, about: telling it takes longer than all else that is counted."""
_BINS = 8  # of the lengths, to a doubling


@dataclass
class Census:
    """Rows, lengths, labels, splits, languages. Memory is bounded: lengths fall into bins, labels have a limit.

    lengths: bin -> rows; bin b holds lengths from 2 ** (b / 8) on. languages: of an even
    sample of some 4,000 rows, '' where nothing is said. by_split: split -> label -> rows (a row with several labels
    counts for each). split_rows: split -> rows.
    """

    rows: int = 0
    characters: int = 0
    lengths: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    by_split: dict[str, Counter[str]] = field(default_factory=dict)
    split_rows: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    made: int = 0

    def count(self, items: Iterable[Item], fields: Fields, every: int = 1) -> None:
        """Take in some rows. every: which rows are asked for their language."""
        for item in items:
            text = fields.text(item.values)
            self.rows += 1
            self.characters += len(text)
            self.lengths[str(int(_BINS * math.log2(len(text))) if text else -1)] += 1
            labels = self.by_split.setdefault(item.split, Counter())
            for label in fields.labels_of(item.values) or [""]:
                labels[label if label in labels or len(labels) < MOST_LABELS else "(others)"] += 1
            self.split_rows[item.split] += 1
            self.sources[item.source if item.source in self.sources or len(self.sources) < 1000 else "(others)"] += 1
            self.columns.update(item.values.keys())
            self.made += bool(item.made)
            if item.number % every == 0:
                guess = identify(text)
                self.languages[guess.code if guess else ""] += 1

    def add(self, other: Census) -> None:
        """Take in the census of a later chunk."""
        self.rows += other.rows
        self.characters += other.characters
        self.made += other.made
        for mine, theirs in ((self.lengths, other.lengths), (self.languages, other.languages)):
            mine.update(theirs)
        self.columns.update(other.columns)
        self.split_rows.update(other.split_rows)
        for name, count in other.sources.items():
            self.sources[name if name in self.sources or len(self.sources) < 1000 else "(others)"] += count
        for split, labels in other.by_split.items():
            mine = self.by_split.setdefault(split, Counter())
            for label, count in labels.items():
                mine[label if label in mine or len(mine) < MOST_LABELS else "(others)"] += count

    def labels(self) -> Counter[str]:
        """Rows by label over all splits ('' where there is none)."""
        return sum(self.by_split.values(), Counter())

    def splits(self) -> dict[str, int]:
        """Rows by split, in the order train, validation, test."""
        order = {"": 0, "train": 1, "validation": 2, "test": 3}
        return {name: self.split_rows[name] for name in sorted(self.split_rows, key=lambda s: order.get(s, 9))}

    def length_at(self, share: float) -> float:
        """The length below which this share of the rows lies, in characters, as exact as the bins."""
        wanted, seen = share * self.rows, 0
        for bin_ in sorted(map(int, self.lengths)):
            here = self.lengths[str(bin_)]
            if seen + here >= wanted:
                return 0.0 if bin_ < 0 else 2 ** ((bin_ + (wanted - seen) / here) / _BINS)
            seen += here
        return 0.0

    def plain(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {
            "rows": self.rows,
            "characters": self.characters,
            "made": self.made,
            "lengths": dict(self.lengths),
            "languages": dict(self.languages),
            "by_split": {split: dict(labels) for split, labels in self.by_split.items()},
            "split_rows": dict(self.split_rows),
            "sources": dict(self.sources),
            "columns": dict(self.columns),
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Census:
        """The census that `plain` wrote."""
        counters = {name: Counter(plain[name]) for name in ("lengths", "languages", "split_rows", "sources", "columns")}
        by_split = {split: Counter(labels) for split, labels in plain["by_split"].items()}
        return cls(plain["rows"], plain["characters"], by_split=by_split, made=plain["made"], **counters)
