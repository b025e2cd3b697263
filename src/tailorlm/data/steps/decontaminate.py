"""Train rows that hold rows of a test set go, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.data.overlap import Match, Overlap
from tailorlm.data.shapes import detect
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally
from tailorlm.data.steps.fields import fields_by_shape

HELD = ("validation", "test")
_AROUND = 60


class Decontaminate(Step):
    """Drops train rows that share a long run of words with a row of a test set: files that you name, and the set's own
    test and validation rows.

    Every dropped row says which test row it holds, and how many words in a row. Held-out rows stay. Memory: about 150 bytes
    a word of the test rows. Choose it for rows from the web before scores on a public test set are believed, behind
    `split`. `own` is for sets whose rows quote one another; contracts and laws share long phrases by nature, and many rows
    would go. Instead of it: `deduplicate` for rows of the same form that were copied and edited.
    """

    class Settings(BaseSettings):
        """Which test sets, and how much overlap counts."""

        tests: tuple[str, ...] = setting((), help="files of test rows that no train row may hold")
        own: bool = setting(False, help="also look for this set's own test and validation rows")
        words: int = setting(13, ge=3, help="a run of this many words gives a row away", unit="words")
        least: int = setting(
            5,
            ge=1,
            help="shorter test rows, down to this many words, count where all of them stands in a row",
            unit="words",
        )
        common: int = setting(10, ge=1, help="runs that stand in more test rows than this are no evidence", unit="rows")

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._overlap = Overlap(settings.words, least=min(settings.least, settings.words), common=settings.common)
        self._names: list[str] = []

    def check(self) -> None:
        """Some test rows must be given."""
        if not self.settings.tests and not self.settings.own:
            raise UsageError(
                "decontamination needs test rows to look for",
                hint="--set 'decontaminate.tests=[benchmark.jsonl]', or --set decontaminate.own=true",
            )

    def look(self, items: Sequence[Item]) -> Any:
        """The set's own held-out rows."""
        if not self.settings.own:
            return []
        text = self.context.fields.text
        return [[item.where, text(item.values)] for item in items if item.split in HELD]

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """All test rows: where they stand, and their texts."""
        found = [pair for look in looks for pair in look]
        for name in self.settings.tests:
            found += self._test_rows(name)
        return {"tests": found}

    def begin(self, learned: Any) -> None:
        """Take the test rows into the index."""
        super().begin(learned)
        if learned is not None:
            self._overlap.add_test(text for _, text in learned["tests"])
            self._names = [where for where, _ in learned["tests"]]

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or which test row it holds."""
        if item.split in HELD:
            return item
        text = self.context.fields.text(item.values)
        match = self._overlap.check(text)
        if match is None:
            return item
        whole = "all of " if match.whole else ""
        detail = f"{whole}{self._names[match.test_index]}: {match.words} words in a row"
        return Dropped("holds a test row", detail, self._evidence(match))

    def facts(self) -> dict[str, Any]:
        """How many test rows were looked for."""
        return {} if self.learned is None else {"test rows looked for": len(self.learned["tests"])}

    def _evidence(self, match: Match) -> str:
        assert self.learned is not None
        text: str = self.learned["tests"][match.test_index][1]
        start = max(0, match.test_start - _AROUND)
        return text[start : match.test_end + _AROUND]

    def _test_rows(self, name: str) -> list[list[str]]:
        """The rows of a test file; of another shape than this set, its own."""
        from tailorlm.data.read import read

        rows, fields = read(name), self.context.fields
        if not set(fields.texts) <= set(rows.columns):
            fields = fields_by_shape(detect(rows.columns, rows[:1000]))
        return [[row.where, fields.text(row.values)] for row in rows]
