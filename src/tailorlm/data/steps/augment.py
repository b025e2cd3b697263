"""New train rows from old ones, marked, kept only where a check says that the label still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.core.parts import Part, part_of
from tailorlm.data.augment import WAYS, AugmentSettings, Draft, Way, augment
from tailorlm.data.rows import as_text
from tailorlm.data.steps._models import models_of
from tailorlm.data.steps.base import Context, Item, RowsOnDisk, Step

MARK, ORIGIN = "augmented", "augmented_from"
"""The columns that say, on new rows alone, by which way they were made and of which rows."""
_IDS = ("id", "_id", "uid", "uuid", "guid", "row_id", "example_id")
if TYPE_CHECKING:
    WayPart = Part
else:
    WayPart = part_of(WAYS)


class Augment(Step):
    """Fills up labels with too few train rows: typing errors, words dropped or swapped, synonyms, templates, mixtures.

    Drawn from are train rows alone. A new row is no copy of any other and has passed the check; it stands behind the others
    with two columns, so that it can be told apart and taken out: `augmented`, its way, and `augmented_from`, the row it was made
    from (its id, where rows have a column of that name, and file:line; of a mixture all of them). Ways that ask a model
    (`paraphrase`, `back_translation`) run in this process. Memory: the texts and labels.
    Choose it behind `split` (before it is an error: copies of test rows would be made) for labels with few rows. Instead
    of it, where that is possible: rows that people write.
    """

    class Settings(BaseSettings):
        """How many rows, and by which ways."""

        ways: tuple[WayPart, ...] = setting(
            ("typos", "word_drop", "word_swap"), help="ways in turn, by name or with their settings", min_length=1
        )
        target: int | Literal["largest", "median"] = setting(
            "median",
            help="rows that each label should have in the end: a number, or as many as the largest or middle one",
        )
        per_row: int = setting(4, ge=1, le=1000, help="most new rows made from one row")
        check: Literal["classifier", "none"] = setting("classifier", help="what says whether the label still holds")
        floor: float = setting(0.5, gt=0, lt=1, help="probability that the classifier must give the label")

    settings: Settings
    changes_rows = False
    makes_rows = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._facts: dict[str, Any] = {}

    def check(self) -> None:
        """Rows need one text and a label."""
        fields = self.context.fields
        if fields.label is None or len(fields.texts) != 1:
            raise UsageError(
                "rows can be augmented where they have one text and a label",
                got=f"the shape {fields.shape}",
                hint="leave the step out",
            )
        self._ways()

    def extra(self, rows: RowsOnDisk) -> Iterator[Item]:
        """The new rows."""
        fields = self.context.fields
        numbers, texts, labels, splits = [], [], [], []
        for item in rows:
            numbers.append(item.number)
            texts.append(fields.text(item.values))
            labels.append(fields.label_of(item.values) or "")
            splits.append(item.split or "train")
        own = self.settings
        settings = AugmentSettings(
            target=own.target, per_row=own.per_row, check=own.check, floor=own.floor, seed=self.context.seed
        )
        made = augment(texts, labels, self._ways(), splits=splits, settings=settings)
        rejected: Counter[str] = Counter()
        for (way, reason), n in made.rejected.items():
            rejected[f"{way}: {reason}"] += n
        self._facts = {"made": dict(made.made), "drafts left out": dict(rejected), "still short": dict(made.short)}
        for draft in made.rows:
            yield self._item(draft, rows.fetch([numbers[place] for place in draft.origins]), splits)

    def facts(self) -> dict[str, Any]:
        """Rows by way, drafts left out by reason, labels still short."""
        return self._facts

    def _ways(self) -> list[Way]:
        made: list[Way] = []
        for way in self.settings.ways:
            part = way.registry.get(way.name)
            if getattr(part, "needs_models", False):
                made.append(part(way.settings, models_of(self.context.models, f"the way of augmenting {way.name}")))
                made[-1].check()  # type: ignore[attr-defined]
            else:
                made.append(part(way.settings))
        return made

    def _item(self, draft: Draft, origins: list[Item], splits: list[str]) -> Item:
        fields = self.context.fields
        assert fields.label is not None
        first = origins[0] if origins else None
        # Other columns (ids, dates, authors) would be untrue of a row that nobody wrote.
        values = {fields.texts[0]: draft.text, fields.label: first.values[fields.label] if first else draft.label}
        marks = {MARK: draft.way, ORIGIN: " + ".join(map(_named, origins)) or draft.source}
        split = first.split if first else ("train" if any(split != "train" for split in splits) else "")
        where = (first.source, first.line) if first else (draft.source or "", 0)
        return Item(0, values | marks, *where, split, draft.mark)


def _named(item: Item) -> str:
    """A row by its id, if it has one, and by file and line."""
    column = next((name for name in item.values if name.lower() in _IDS), None)
    value = item.values[column] if column is not None else None
    return f"{as_text(value)} ({item.where})" if isinstance(value, str | int) and value != "" else item.where
