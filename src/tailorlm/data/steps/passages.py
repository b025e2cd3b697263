"""Long documents cut into passages, which keep their source and their place in it."""

from __future__ import annotations

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.data.passages import passage_rows
from tailorlm.data.rows import Row
from tailorlm.data.steps.base import Context, Dropped, Item, Step, Tally


class Passages(Step):
    """Cuts each document into passages at headings, paragraphs and sentences; short documents stay whole.

    A passage has the columns of its document, with `start` and `end` (characters in the document as this step met it),
    `passage` (its number), `headings` (those it stands under) and `document` (file:line). Choose it first, so that the
    offsets are those of the file, or behind `repair`, where clean borders matter more. It is for documents only.
    """

    class Settings(BaseSettings):
        """How long passages are."""

        size: int = setting(2000, ge=50, help="characters of a passage, at most", unit="characters")
        overlap: int = setting(200, ge=0, help="characters that a passage repeats of the one before", unit="characters")

    settings: Settings

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._column = context.fields.texts[0]

    def check(self) -> None:
        """Rows must be documents with one text; the overlap must leave something to go on by."""
        fields = self.context.fields
        if fields.shape != "documents":
            raise UsageError(
                "only documents are cut into passages",
                got=f"rows of the shape {fields.shape}",
                hint="leave the step out, or say --shape documents",
            )
        if self.settings.overlap * 2 >= self.settings.size:
            raise UsageError(
                "the overlap of passages must be less than half of their size",
                got=f"overlap {self.settings.overlap}, size {self.settings.size}",
            )

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The document, or its passages."""
        text = item.values.get(self._column)
        if not isinstance(text, str) or len(text) <= self.settings.size:
            return item
        rows = passage_rows(
            Row(item.values, item.source, item.line),
            column=self._column,
            size=self.settings.size,
            overlap=self.settings.overlap,
        )
        made: list[Item] = []
        for number, row in enumerate(rows, 1):
            name = f"passage {number}" if not item.made else f"{item.made}, passage {number}"
            values = {**row.values, "document": item.where}
            made.append(Item(item.number, values, item.source, item.line, item.split, name))
        tally.changed["cut into passages"] += 1
        tally.numbers["passages"] += len(made)
        tally.show("cut into passages", item.where, None, made[0].values[self._column], f"{len(made)} passages")
        return made
