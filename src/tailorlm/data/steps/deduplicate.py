"""Copies out: equal rows, rows equal but for case and punctuation, near copies; within a split and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.data.near import Cluster, Near, Rule, choose
from tailorlm.data.quality import normalised
from tailorlm.data.steps._alike import alike, nearest
from tailorlm.data.steps._time import told_time
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally

HELD = ("validation", "test")
_SHOWN = 50
REASONS = {"exact": "exact copy", "normalised": "equal but for case, punctuation and blanks", "near": "near copy"}


class Deduplicate(Step):
    """Drops rows that are copies of others, and keeps one of each group by a rule.

    Near copies are found by MinHash and compared by their true Jaccard similarity (see `data/near`); a row goes only if it is
    like a row that stays, not for a chain of small differences. Rows with different labels are never copies of each
    other inside one split: that is a contradiction, which `audit` reports. Across splits a train row goes for a copy in
    validation or test, whatever its label; rows that were given as validation or test rows stay, all of them.
    Memory: about 150 bytes a row, and 60 more for a moment. Choose a `near` of 0.7 for short rows, 0.8 for documents.
    """

    class Settings(BaseSettings):
        """What counts as a copy, and which one stays."""

        near: float = setting(
            0.8, ge=0, le=1, help="rows this alike (Jaccard of character runs) are near copies; 1: none but equal ones"
        )
        keep: Rule = setting("first", help="which copy stays: first, longest, cleanest or recent")
        column: str | None = setting(None, help="the column with the time, for `recent`")
        labels: Literal["same", "any"] = setting("same", help="`same`: only rows with the same label are copies")
        across: bool = setting(True, help="drop train rows that copy validation or test rows")

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._gone: dict[int, list[str]] = {}

    def check(self) -> None:
        """The most recent copy needs a column with the time."""
        if self.settings.keep == "recent" and self.settings.column is None:
            hint = "--set deduplicate.column=created_at"
            raise UsageError("to keep the most recent copy, name the column with the time", hint=hint)

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """The rows to drop, with reason and detail, and how large the groups are."""
        clusters, near = alike(rows, self.context, self.settings.near or 1.0)
        work = _Work(self.settings, self.context, rows, near)
        sizes: Counter[str] = Counter()
        for cluster in clusters:
            sizes[str(len(cluster.indices))] += 1
            work.weigh(cluster)
        return {
            "gone": work.gone,
            "sizes": dict(sizes),
            "conflicts": work.conflicts,
            "bytes_per_row": near.bytes_per_row,
            "shingle": near.shingles.size,
            "crowded": near.crowded,
        }

    def begin(self, learned: Any) -> None:
        """Take the rows to drop."""
        super().begin(learned)
        if learned is not None:
            self._gone = {int(number): why for number, why in learned["gone"].items()}

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or why it goes."""
        why = self._gone.get(item.number)
        return item if why is None else Dropped(why[0], why[1], why[2] if len(why) > 2 else None)

    def facts(self) -> dict[str, Any]:
        """Groups by size, groups whose labels differ, bytes a row."""
        if self.learned is None:
            return {}
        named = {"sizes": "groups by rows", "conflicts": "groups with different labels", "bytes_per_row": "bytes a row"}
        facts = {said: self.learned[name] for name, said in named.items()}
        return facts | {
            "characters of a shingle": self.learned["shingle"],
            "rows in crowded buckets": self.learned["crowded"],
        }


class _Work:
    """Cluster by cluster, which rows go: first copies of held-out rows, then copies among the others, label by label."""

    def __init__(self, settings: Deduplicate.Settings, context: Context, rows: RowsOnDisk, near: Near):
        self._settings, self._context, self._rows, self._near = settings, context, rows, near
        self.gone: dict[int, list[str]] = {}
        self.conflicts = 0
        self._shown: Counter[str] = Counter()

    def weigh(self, cluster: Cluster) -> None:
        """Settle one cluster."""
        items = {item.number: item for item in self._rows.fetch(cluster.indices)}
        held = [item for item in items.values() if item.split in HELD]
        free = [item for item in items.values() if item.split not in HELD]
        if held and self._settings.across:
            for number, other, similarity in nearest(free, held, self._context, self._near):
                self._give_up(items[number], other, similarity)
            free = [item for item in free if item.number not in self.gone]
        fields = self._context.fields
        labels = {item.number: fields.label_of(item.values) for item in items.values()}
        self.conflicts += len(set(labels.values())) > 1
        groups: dict[str | None, list[int]] = {}
        for item in free:
            groups.setdefault(labels[item.number] if self._settings.labels == "same" else None, []).append(item.number)
        alike_ = [Cluster(tuple(group), ()) for group in groups.values() if len(group) > 1]
        for given in choose(
            alike_,
            lambda numbers: [fields.text(items[number].values) for number in numbers],
            rule=self._settings.keep,
            threshold=self._near.threshold,
            shingles=self._near.shingles,
            when=(lambda number: self._time(items[number])) if self._settings.keep == "recent" else None,
        ):
            self._give_up(items[given.index], items[given.kept], given.similarity)

    def _give_up(self, item: Item, other: Item, similarity: float) -> None:
        text, stays = (self._context.fields.text(each.values) for each in (item, other))
        kind = "exact" if text == stays else "normalised" if normalised(text) == normalised(stays) else "near"
        held = other.split in HELD
        reason = REASONS[kind] + (" of a held-out row" if held else "")
        side = f" ({other.split})" if held else ""
        detail = f"of {other.where}{side}" + (f", Jaccard {similarity:.2f}" if kind == "near" else "")
        self._shown[reason] += 1
        # The text of the row that stays is for examples alone: the first ones are enough.
        self.gone[item.number] = [reason, detail, *([stays] if self._shown[reason] <= _SHOWN else [])]

    def _time(self, item: Item) -> float | None:
        column = self._settings.column
        assert column is not None
        if column not in item.values:
            raise unknown_name("column", column, item.values)
        value = item.values[column]
        return None if value is None or value == "" else told_time(item, column)
