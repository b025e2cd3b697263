"""Train, validation and test rows: by the content, at random, by label, by group or by time; copies on one side."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError
from tailorlm.data.near import Bar, Near
from tailorlm.data.quality import normalised
from tailorlm.data.rows import as_text
from tailorlm.data.split import quotas, stratified
from tailorlm.data.steps._alike import Share, alike, fetched, nearest, sketched
from tailorlm.data.steps._time import cell, is_number, time_of, told_time
from tailorlm.data.steps.base import SHOWN, Context, Dropped, Item, RowsOnDisk, Step, Tally

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_CODES = {"0": TRAIN, "1": VALIDATION, "2": TEST}


class Split(Step):
    """Gives every row a split; rows that came with one (validation and test files) keep it.

    A row of the test never becomes a train row when rows are added:
    - `content` and `group`: a hash of the normalised text (of the group, where the row has one) decides, whatever rows are
      added; shares are met on average.
    - `label`: the same hash, with a border for each label that meets the shares exactly; `time`: the latest rows are the test
      rows. The borders are written into the kept YAML: `--like` holds to them, a fresh preparation of more rows finds others.
    - `random` meets the shares exactly, keeps near copies together, and splits a bigger set anew.
    But for `random`, train rows that are near copies of held-out rows are dropped (`near`), so the held-out rows stay a fair
    sample: moving them over would fill the test with copies. So where an added row is near an old test row and an old train row,
    both stay on their sides; if it is itself held out, old train rows near it go, and if not, it goes.
    Memory: about 150 bytes a row for near copies; `random`, `label` and `time` another 100.
    Choose `label` where labels are rare, `group` where rows of one author, customer or document are alike, `time` where the
    future is to be predicted.
    """

    class Settings(BaseSettings):
        """How rows are split."""

        by: Literal["content", "random", "label", "group", "time"] = setting("content", help="what decides the side")
        test: float = setting(0.1, ge=0, lt=1, help="share of the rows (or groups) for the test")
        validation: float = setting(0.1, ge=0, lt=1, help="share for validation")
        column: str | None = setting(None, help="the column that holds the group, or the time")
        near: Share | Literal["auto"] = setting(
            "auto",
            help="no row has one this alike (Jaccard) on another side: a share, or `auto`: 0.6 for short texts up to 0.7 for "
            "long ones; 1: equal ones only; 0: no matter",
        )
        test_from: str | None = setting(None, help="by time: test rows begin here, in place of the share")
        validation_from: str | None = setting(None, help="by time: validation rows begin here")
        label_borders: dict[str, tuple[float, float]] = setting(
            {}, help="by label: below the first place (of the hash, 0 to 1) is the test, below the second validation"
        )

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        # Content and group need nothing of the other rows.
        self.surveys = settings.near != 0 or settings.by in ("random", "label", "time")
        self._sides: str | None = None
        self._leaks: dict[int, list[Any]] = {}
        self._borders: dict[str, str] = {}
        self._label_borders: dict[str, Any] = dict(settings.label_borders)

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
        """Borders of labels and times; at random the sides of all rows; else the rows that are copies of held-out ones."""
        clusters, near = alike(
            looks, rows, self.context, Bar(high=0.7) if self.settings.near == "auto" else self.settings.near or 1.0
        )
        if self.settings.by == "random":
            return {"sides": self._exact(_units(len(rows), [cluster.indices for cluster in clusters]))}
        if self.settings.by == "label" and not self._label_borders:
            self._label_borders = self._borders_by_label(rows)
        if self.settings.by == "time":
            self._borders = self._borders_in_time(rows)
        leaks: dict[int, list[Any]] = {}
        for batch in fetched(clusters, rows):
            for _, items in batch:
                leaks |= self._copies_of_held_out(items, near)
        return {"leaks": leaks, "borders": self._borders, "label_borders": self._label_borders}

    def begin(self, learned: Any) -> None:
        """Take the sides."""
        super().begin(learned)
        if learned is not None:
            self._sides = learned.get("sides")
            self._leaks = {int(number): where for number, where in learned.get("leaks", {}).items()}
            self._borders = learned.get("borders", {})
            self._label_borders = learned.get("label_borders", {})

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row with its split."""
        if item.split in (VALIDATION, TEST):
            return item
        if item.number in self._leaks:
            return Dropped("near copy of a held-out row", *self._leaks[item.number])
        side = self._side(item) if self._sides is None else _CODES[self._sides[item.number]]
        tally.numbers[f"{side} rows"] += 1
        if self.settings.by == "group" and not cell(item, self.settings.column):
            tally.numbers["rows without a group (each by its content)"] += 1
        return Item(item.number, item.values, item.source, item.line, side, item.made)

    def facts(self) -> dict[str, Any]:
        """Where the borders in time are."""
        return {"borders": self._borders} if self._borders else {}

    def learned_settings(self) -> dict[str, Any]:
        """Borders hold for later rows too."""
        if self.settings.by == "label":
            return {"label_borders": {label: list(borders) for label, borders in self._label_borders.items()}}
        return dict(self._borders)

    def _side(self, item: Item) -> str:
        own = self.settings
        if own.by == "time":
            time, found = told_time(item, own.column), self._borders
            if time >= (time_of(found["test_from"]) if "test_from" in found else math.inf):
                return TEST
            later = time >= (time_of(found["validation_from"]) if "validation_from" in found else math.inf)
            return VALIDATION if later else TRAIN
        test, validation = own.test, own.test + own.validation
        if own.by == "label":
            test, validation = self._label_borders.get(self._label(item), (test, validation))
        place = self._place(item)
        return TEST if place < test else VALIDATION if place < validation else TRAIN

    def _place(self, item: Item) -> float:
        """Where a row's hash lies between 0 and 1; the same in every delivery."""
        if self.settings.by == "group" and (group := cell(item, self.settings.column)):
            key = group
        elif item.made.startswith("passage") and "document" in item.values:
            key = as_text(item.values["document"])  # passages of one document know of each other
        else:
            key = normalised(self.context.fields.text(item.values))
        return _unit_interval(f"{self.context.seed}|{key}")

    def _label(self, item: Item) -> str:
        return self.context.fields.label_of(item.values) or ""

    def _borders_by_label(self, rows: RowsOnDisk) -> dict[str, list[float]]:
        """For each label the places below which the test and the validation rows lie, so that the shares are met."""
        places: dict[str, list[float]] = {}
        for item in rows:
            if item.split not in (VALIDATION, TEST):
                places.setdefault(self._label(item), []).append(self._place(item))
        sizes = Counter({label: len(found) for label, found in places.items()})
        own, seed = self.settings, self.context.seed
        test = quotas(sizes, own.test, seed) if own.test else Counter()
        more = quotas(sizes, own.validation, seed) if own.validation else Counter()
        borders = {}
        for label, found in places.items():
            found.sort()
            first = test[label]
            second = min(first + more[label], len(found) - 1)  # one train row at least
            borders[label] = [found[first] if first else 0.0, found[second] if second else 0.0]
        return borders

    def _copies_of_held_out(self, items: Sequence[Item], near: Near) -> dict[int, list[Any]]:
        """Rows of a cluster that are near copies of rows held out for more: train of validation, both of test."""
        gone: dict[int, list[Any]] = {}
        sides = [item.split if item.split in (VALIDATION, TEST) else self._side(item) for item in items]
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

    def _exact(self, units: list[int]) -> str:
        """Shares as exact as whole units allow."""
        sides = ["0"] * len(units)
        left = list(range(len(units)))
        for code, share in (("2", self.settings.test), ("1", self.settings.validation)):
            if share <= 0:
                continue
            fraction = share * len(units) / len(left)
            kept, held = stratified([""] * len(left), fraction, self.context.seed, groups=[units[i] for i in left])
            for place in held:
                sides[left[place]] = code
            left = [left[place] for place in kept]
        return "".join(sides)

    def _borders_in_time(self, rows: RowsOnDisk) -> dict[str, str]:
        """From when on rows are test and validation rows, as texts that say it exactly."""
        own = self.settings
        times, dates = _times(rows, own)
        test_at = time_of(own.test_from) if own.test_from else _border(times, own.test)
        later = own.test + own.validation if own.validation else own.test
        validation_at = time_of(own.validation_from) if own.validation_from else _border(times, later)
        if all(time >= min(test_at, validation_at) for time in times):
            raise CheckError("no row is earlier than the border, so none is left to train on")
        names = {"test_from": test_at, "validation_from": validation_at}
        return {name: _shown(time, dates) for name, time in names.items() if math.isfinite(time)}


def _unit_interval(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def _units(count: int, clusters: Sequence[Sequence[int]]) -> list[int]:
    units = list(range(count))
    for cluster in clusters:
        for number in cluster:
            units[number] = cluster[0]
    return units


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
