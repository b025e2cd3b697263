"""Copies out: equal rows, rows equal but for case and punctuation, near copies; within a split and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.data.near import Bar, Cluster, Rule
from tailorlm.data.steps._alike import Share, alike, fetched, sketched
from tailorlm.data.steps._gone import Gone
from tailorlm.data.steps._likeness import ByLetters, ByMeaning, Likeness
from tailorlm.data.steps._models import Models, models_of, same_model
from tailorlm.data.steps._time import told_time
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally

HELD = ("validation", "test")
_SHOWN = 50
_GROUPS, _LISTED = 8, 6
REASONS = {
    "exact": "exact copy",
    "normalised": "equal but for case, punctuation and blanks",
    "near": "near copy",
    "semantic": "same in other words",
}


class Deduplicate(Step):
    """Drops rows that are copies of others, and keeps one of each group by a rule.

    Near copies are found by MinHash and compared by their true Jaccard similarity (see `data/near`); a row goes only if it is
    like a row that stays, not for a chain of small differences. Rows with different labels are never copies of each
    other inside one split: that is a contradiction, which `audit` reports. Across splits a train row goes for a copy in
    validation or test, whatever its label; rows that were given as validation or test rows stay, all of them.
    `semantic` looks among the rows that are left for those that say the same in other words: the cosine of the vectors of an
    encoder. All pairs are compared (see `near/vectors`), and an encoder puts a sentence and its negation close together, so
    look at a dry run before rows go; 0.95 and above is a careful beginning.
    Memory: about 150 bytes a row, and 60 more for a moment; `semantic` 4 bytes a number of the vector (1,536 with the
    starter encoder). `near: auto` (see `near.Bar`) finds nine in ten lightly edited copies at every length; choose 0.8 where short rows
    that differ in a word must stay, all of them.
    """

    class Settings(BaseSettings):
        """What counts as a copy, and which one stays."""

        near: Share | Literal["auto"] = setting(
            "auto",
            help="rows this alike (Jaccard of character runs) are near copies: a share, or `auto`: 0.6 for short texts up to "
            "0.8 for long ones; 1: none but equal ones",
        )
        keep: Rule = setting("first", help="which copy stays: first, longest, cleanest or recent")
        column: str | None = setting(None, help="the column with the time, for `recent`")
        labels: Literal["same", "any"] = setting("same", help="`same`: only rows with the same label are copies")
        semantic: float = setting(
            0.0,
            ge=0,
            le=1,
            help="rows whose vectors have this cosine or more say the same in other words; 0: not looked for",
        )
        encoder: str = setting(
            "starter", help="the model that makes the vectors: starter, a folder, or an id of the hub", min_length=1
        )
        encoder_sha256: str | None = setting(None, help="the fingerprint of the encoder; another one is refused")
        across: bool = setting(True, help="drop train rows that copy validation or test rows")

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._gone = Gone()

    def check(self) -> None:
        """The most recent copy needs a column with the time."""
        if self.settings.keep == "recent" and self.settings.column is None:
            hint = "--set deduplicate.column=created_at"
            raise UsageError("to keep the most recent copy, name the column with the time", hint=hint)
        if self.settings.semantic:
            same_model(self._models(), self.settings.encoder, self.settings.encoder_sha256)

    def look(self, items: Sequence[Item]) -> Any:
        """Sketches of the texts."""
        return sketched(items, self.context)

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """The rows to drop, with reason and detail, and how large the groups are."""
        own = self.settings
        clusters, near = alike(looks, rows, self.context, Bar() if own.near == "auto" else own.near or 1.0)
        work = _Work(own, self.context, rows, ByLetters(near, self.context))
        learned = {
            "sizes": work.weigh(clusters),
            "bytes_per_row": near.bytes_per_row,
            "shingle": near.shingles.size,
            "crowded": near.crowded,
        }
        if own.semantic:
            models = self._models()
            encode = partial(models.vectors, own.encoder)
            meaning = work.likeness = ByMeaning(rows, self.context, encode, own.semantic, work.gone)
            learned["meanings"] = work.weigh(meaning.clusters())
            learned["encoder"] = {"sha256": models.fingerprint(own.encoder), "width": meaning.width}
        return learned | {"gone": work.gone.plain(), "conflicts": work.conflicts, "groups": work.groups()}

    def begin(self, learned: Any) -> None:
        """Take the rows to drop."""
        super().begin(learned)
        if learned is not None:
            self._gone = Gone.read(learned["gone"])

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or why it goes."""
        why = self._gone.why(item.number)
        return item if why is None else Dropped(*why)

    def facts(self) -> dict[str, Any]:
        """Groups by size, groups whose labels differ, bytes a row, the largest groups."""
        if self.learned is None:
            return {}
        found = self.learned
        facts = {
            "groups by rows": found["sizes"],
            "groups with different labels": found["conflicts"],
            "bytes a row": found["bytes_per_row"],
            "characters of a shingle": found["shingle"],
            "rows in crowded buckets": found["crowded"],
            "largest groups": found["groups"],
        }
        if "meanings" in found:
            facts |= {
                "groups of the same meaning by rows": found["meanings"],
                "encoder": f"{self.settings.encoder}, {found['encoder']['width']} numbers a row",
            }
        return facts

    def learned_settings(self) -> dict[str, Any]:
        """A later delivery is asked the same encoder."""
        return {"encoder_sha256": self.learned["encoder"]["sha256"]} if self.learned and self.settings.semantic else {}

    def _models(self) -> Models:
        return models_of(self.context.models, "deduplicate.semantic")


class _Work:
    """Cluster by cluster, which rows go: first copies of held-out rows, then copies among the others, label by label."""

    def __init__(self, settings: Deduplicate.Settings, context: Context, rows: RowsOnDisk, likeness: Likeness):
        self._settings, self._context, self._rows = settings, context, rows
        self.likeness = likeness
        self.gone = Gone()
        self.conflicts = 0
        self._stands: set[int] = set()
        self._shown: Counter[str] = Counter()
        self._largest: list[tuple[int, tuple[int, ...]]] = []

    def weigh(self, clusters: Sequence[Cluster]) -> dict[str, int]:
        """Settle clusters; how many there are of each size."""
        for batch in fetched(clusters, self._rows):
            self._weigh([items for _, items in batch])
        largest = sorted(self._largest + [(-len(c.indices), c.indices[:_LISTED]) for c in clusters])
        self._largest = largest[:_GROUPS]
        return {str(size): count for size, count in Counter(len(c.indices) for c in clusters).items()}

    def groups(self) -> list[dict[str, Any]]:
        """The largest groups, with their first rows and what became of them; texts for the audit alone."""
        fields = self._context.fields
        return [
            {
                "rows": -size,
                "shown": [
                    [
                        item.where,
                        fields.text(item.values),
                        fields.label_of(item.values) or "",
                        "goes" if item.number in self.gone else "stays",
                    ]
                    for item in self._rows.fetch(numbers)
                ],
            }
            for size, numbers in self._largest
        ]

    def _weigh(self, clusters: Sequence[Sequence[Item]]) -> None:
        items = {item.number: item for cluster in clusters for item in cluster}
        groups: list[list[Item]] = []
        for cluster in clusters:
            labels = {self._context.fields.label_of(item.values) for item in cluster}
            self.conflicts += len(labels) > 1
            groups += self._groups(self._without_held(cluster))
        when = (lambda number: self._time(items[number])) if self._settings.keep == "recent" else None
        for given in self.likeness.given(groups, self._settings.keep, when):
            if given.index not in self._stands:  # a row that others went for stays: it is what is left of them
                self._give_up(items[given.index], items[given.kept], given.similarity)
                self._stands.add(given.kept)

    def _without_held(self, cluster: Sequence[Item]) -> list[Item]:
        """The rows of a cluster that may go for one another; those that copy a held-out row go now."""
        held = [item for item in cluster if item.split in HELD]
        free = [item for item in cluster if item.split not in HELD]
        if held and self._settings.across:
            places = {item.number: item for item in free}
            for number, other, similarity in self.likeness.nearest(free, held):
                self._give_up(places[number], other, similarity)
        return [item for item in free if item.number not in self.gone]

    def _groups(self, free: Sequence[Item]) -> list[list[Item]]:
        """Rows that may be copies of each other: those of one label, unless any will do."""
        groups: dict[str | None, list[Item]] = {}
        same = self._settings.labels == "same"
        for item in free:
            groups.setdefault(self._context.fields.label_of(item.values) if same else None, []).append(item)
        return [group for group in groups.values() if len(group) > 1]

    def _give_up(self, item: Item, other: Item, similarity: float) -> None:
        text, stays = (self._context.fields.text(each.values) for each in (item, other))
        kind, how = self.likeness.said(text, stays, similarity)
        held = other.split in HELD
        reason = REASONS[kind] + (" of a held-out row" if held else "")
        detail = f"of {other.where}" + (f" ({other.split})" if held else "") + how
        self._shown[reason] += 1
        # The text of the row that stays is for examples alone: the first ones are enough.
        self.gone.add(item.number, reason, detail, stays if self._shown[reason] <= _SHOWN else None)

    def _time(self, item: Item) -> float | None:
        column = self._settings.column
        assert column is not None
        if column not in item.values:
            raise unknown_name("column", column, item.values)
        value = item.values[column]
        return None if value is None or value == "" else told_time(item, column)
