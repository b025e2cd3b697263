"""New train rows from old ones, marked, kept only where a check says that the label still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.core.parts import Part, part_of
from tailorlm.data.augment import WAYS, AugmentSettings, Draft, augment
from tailorlm.data.steps.base import Context, Item, RowsOnDisk, Step

MARK = "augmented"
"""The column that says, on new rows alone, how they were made."""
if TYPE_CHECKING:
    WayPart = Part
else:
    WayPart = part_of(WAYS)


class Augment(Step):
    """Fills up labels with too few train rows: typing errors, words dropped or swapped, synonyms, templates, mixtures.

    Drawn from are train rows alone. A new row is no copy of any other and has passed the check; it stands behind the others
    with the column `augmented` and its way, so that it can be told apart and taken out. Memory: the texts and labels.
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
        for way in self.settings.ways:
            way.make()

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
        made = augment(texts, labels, [way.make() for way in own.ways], splits=splits, settings=settings)
        rejected: Counter[str] = Counter()
        for (way, reason), n in made.rejected.items():
            rejected[f"{way}: {reason}"] += n
        self._facts = {"made": dict(made.made), "drafts left out": dict(rejected), "still short": dict(made.short)}
        for draft in made.rows:
            origin = rows.fetch([numbers[draft.origins[0]]])[0] if draft.origins else None
            yield self._item(draft, origin, splits)

    def facts(self) -> dict[str, Any]:
        """Rows by way, drafts left out by reason, labels still short."""
        return self._facts

    def _item(self, draft: Draft, origin: Item | None, splits: list[str]) -> Item:
        fields = self.context.fields
        assert fields.label is not None
        # Other columns (ids, dates, authors) would be untrue of a row that nobody wrote.
        values = {fields.texts[0]: draft.text, fields.label: origin.values[fields.label] if origin else draft.label}
        split = origin.split if origin else ("train" if any(split != "train" for split in splits) else "")
        where = (origin.source, origin.line) if origin else (draft.source or "", 0)
        return Item(0, values | {MARK: draft.way}, *where, split, draft.mark)
