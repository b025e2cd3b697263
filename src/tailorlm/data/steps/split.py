"""Train, validation and test rows: by the content, at random, by label, by group or by time; copies on one side."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError
from tailorlm.data.near import Near
from tailorlm.data.quality import normalised
from tailorlm.data.rows import as_text
from tailorlm.data.split import stratified
from tailorlm.data.steps._alike import alike, fetched, nearest, sketched
from tailorlm.data.steps._time import cell, is_number, time_of, told_time
from tailorlm.data.steps.base import SHOWN, Context, Dropped, Item, RowsOnDisk, Step, Tally

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_CODES = {"0": TRAIN, "1": VALIDATION, "2": TEST}


class Split(Step):
    """Gives every row a split; rows that came with one (validation and test files) keep it.

    by `content` (and `group`): a hash of the normalised text (of the group, where the row has one) decides, so a row falls on the same side in
    every later delivery, whatever rows are added; shares are met on average. Train rows that are near copies of held-out
    rows are dropped (`near`), so the held-out rows stay a fair sample; moving them over would fill the test with copies.
    `random` and `label` meet the shares exactly, keep near copies together, and split a bigger set anew. `time`: the latest
    rows are the test rows; near copies stand with the earliest of them; the borders are written into the kept YAML.
    Memory: about 150 bytes a row for near copies; `random`, `label` and `time` another 100.
    Choose `group` where rows of one author, customer or document are alike; `time` where the future is to be predicted.
    """

    class Settings(BaseSettings):
        """How rows are split."""

        by: Literal["content", "random", "label", "group", "time"] = setting("content", help="what decides the side")
        test: float = setting(0.1, ge=0, lt=1, help="share of the rows (or groups) for the test")
        validation: float = setting(0.1, ge=0, lt=1, help="share for validation")
        column: str | None = setting(None, help="the column that holds the group, or the time")
        near: float = setting(
            0.7,
            ge=0,
            le=1,
            help="no row has one this alike (Jaccard) on another side; 1: equal ones only; 0: no matter",
        )
        test_from: str | None = setting(None, help="by time: test rows begin here, in place of the share")
        validation_from: str | None = setting(None, help="by time: validation rows begin here")

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        # Content and group need nothing of the other rows.
        self.surveys = settings.near > 0 or settings.by in ("random", "label", "time")
        self._sides: str | None = None
        self._leaks: dict[int, list[Any]] = {}
        self._borders: dict[str, str] = {}

    def check(self) -> None:
        """Shares must leave train rows; a group or a time needs its column, a label one too."""
        own = self.settings
        if own.test + own.validation >= 1:
            got = f"test {own.test} + validation {own.validation}"
            raise UsageError("no row is left to train on", got=got, allowed="less than 1 in all")
        if own.by in ("group", "time") and own.column is None:
            raise UsageError(f"a split by {own.by} needs its column", hint="--set split.column=NAME")
        if own.by == "label" and self.context.fields.label is None:
            raise UsageError("a split by label needs a label, and no column holds one", hint="name it with --label")

    def look(self, items: Sequence[Item]) -> Any:
        """Sketches of the texts, where near copies matter."""
        return sketched(items, self.context) if self.settings.near else []

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """Sides of all rows where shares are met exactly, else only of rows that near copies move."""
        clusters, near = alike(looks, rows, self.context, self.settings.near or 1.0)
        if self.settings.by in ("content", "group"):
            leaks: dict[int, list[Any]] = {}
            for batch in fetched(clusters, rows):
                for _, items in batch:
                    leaks |= self._copies_of_held_out(items, near)
            return {"leaks": leaks}
        units = _units(len(rows), [cluster.indices for cluster in clusters])
        if self.settings.by == "time":
            return self._by_time(rows, units)
        names = _labels(rows, self.context) if self.settings.by == "label" else [""] * len(rows)
        return {"sides": self._exact(names, units)}

    def begin(self, learned: Any) -> None:
        """Take the sides."""
        super().begin(learned)
        if learned is not None:
            self._sides = learned.get("sides")
            self._leaks = {int(number): where for number, where in learned.get("leaks", {}).items()}
            self._borders = learned.get("borders", {})

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row with its split."""
        if item.split in (VALIDATION, TEST):
            return item
        if item.number in self._leaks:
            return Dropped("near copy of a held-out row", *self._leaks[item.number])
        side = self._hashed(item) if self._sides is None else _CODES[self._sides[item.number]]
        tally.numbers[f"{side} rows"] += 1
        if self.settings.by == "group" and not cell(item, self.settings.column):
            tally.numbers["rows without a group (each by its content)"] += 1
        return Item(item.number, item.values, item.source, item.line, side, item.made)

    def facts(self) -> dict[str, Any]:
        """Where the borders in time are."""
        return {"borders": self._borders} if self._borders else {}

    def learned_settings(self) -> dict[str, Any]:
        """Borders in time hold for later rows too."""
        return dict(self._borders)

    def _hashed(self, item: Item) -> str:
        if self.settings.by == "group" and (group := cell(item, self.settings.column)):
            key = group
        elif item.made.startswith("passage") and "document" in item.values:
            key = as_text(item.values["document"])  # passages of one document know of each other
        else:
            key = normalised(self.context.fields.text(item.values))
        return self._side_at(_unit_interval(f"{self.context.seed}|{key}"))

    def _side_at(self, place: float) -> str:
        if place < self.settings.test:
            return TEST
        return VALIDATION if place < self.settings.test + self.settings.validation else TRAIN

    def _copies_of_held_out(self, items: Sequence[Item], near: Near) -> dict[int, list[Any]]:
        """Rows of a cluster that are near copies of rows held out for more: train of validation, both of test."""
        gone: dict[int, list[Any]] = {}
        sides = [item.split if item.split in (VALIDATION, TEST) else self._hashed(item) for item in items]
        for held, lower in ((TEST, (TRAIN, VALIDATION)), (VALIDATION, (TRAIN,))):
            kept = [item for item, side in zip(items, sides, strict=True) if side == held and item.number not in gone]
            free = [
                item
                for item, side in zip(items, sides, strict=True)
                if side in lower and item.split not in (VALIDATION, TEST) and item.number not in gone
            ]
            for number, other, similarity in nearest(free, kept, self.context, near):
                text = self.context.fields.text(other.values) if len(gone) < SHOWN else None
                gone[number] = [f"of {other.where} ({held}), Jaccard {similarity:.2f}", text]
        return gone

    def _exact(self, names: list[str], units: list[int]) -> str:
        """Shares as exact as whole units allow, label by label."""
        sides = ["0"] * len(names)
        left = list(range(len(names)))
        for code, share in (("2", self.settings.test), ("1", self.settings.validation)):
            if share <= 0:
                continue
            fraction = share * len(names) / len(left)
            kept, held = stratified(
                [names[i] for i in left], fraction, self.context.seed, groups=[units[i] for i in left]
            )
            for place in held:
                sides[left[place]] = code
            left = [left[place] for place in kept]
        return "".join(sides)

    def _by_time(self, rows: RowsOnDisk, units: list[int]) -> Any:
        own = self.settings
        times, dates = _times(rows, own)
        test_at = time_of(own.test_from) if own.test_from else _border(times, own.test)
        later = own.test + own.validation if own.validation else own.test
        validation_at = time_of(own.validation_from) if own.validation_from else _border(times, later)
        earliest: dict[int, int] = {}
        codes = [2 if time >= test_at else 1 if time >= validation_at else 0 for time in times]
        for unit, code in zip(units, codes, strict=True):
            earliest[unit] = min(code, earliest.get(unit, 2))
        sides = "".join(str(earliest[unit]) for unit in units)
        if "0" not in sides:
            raise CheckError("no row is earlier than the border, so none is left to train on")
        names = {"test_from": test_at, "validation_from": validation_at}
        borders = {name: _shown(time, dates) for name, time in names.items() if math.isfinite(time)}
        return {"sides": sides, "borders": borders}


def _unit_interval(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def _units(count: int, clusters: Sequence[Sequence[int]]) -> list[int]:
    units = list(range(count))
    for cluster in clusters:
        for number in cluster:
            units[number] = cluster[0]
    return units


def _labels(rows: RowsOnDisk, context: Context) -> list[str]:
    return [context.fields.label_of(item.values) or "" for item in rows]


def _times(rows: RowsOnDisk, own: Split.Settings) -> tuple[list[float], bool]:
    """The time of each row, and whether they are dates. Raises CheckError where both kinds stand in the column."""
    times: list[float] = []
    dates: bool | None = None
    for item in rows:
        times.append(told_time(item, own.column))
        is_date = not is_number(cell(item, own.column))
        if dates not in (None, is_date):
            kinds = ("a number", "a date") if is_date else ("a date", "a number")
            raise CheckError(
                f"{item.where}: {kinds[1]}, where the rows before have {kinds[0]} in the column {own.column!r}",
                allowed="dates alone, or numbers alone: a year and a date cannot be put in order",
                hint="write all of them as dates (2026-01-01)",
            )
        dates = is_date
    for name in ("test_from", "validation_from"):
        told = getattr(own, name)
        if told is not None and dates is not None and is_number(told) == dates:
            kind = "dates" if dates else "numbers"
            raise UsageError(f"{name} is of another kind than the times of the rows", got=told, allowed=kind)
    return times, bool(dates)


def _border(times: Sequence[float], share: float) -> float:
    """The time from which on about this share of the rows lies; rows of one time are not torn."""
    if not share:
        return math.inf
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * (1 - share)))]


def _shown(time: float, date: bool) -> str:
    if date:
        return datetime.fromtimestamp(time, UTC).isoformat()
    return f"{time:.0f}" if time == int(time) else repr(time)
