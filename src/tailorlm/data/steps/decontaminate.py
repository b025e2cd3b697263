"""Train rows that hold rows of a test set go, with the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError, near_misses
from tailorlm.data.benchmarks import BENCHMARKS, find_benchmark, read_benchmark
from tailorlm.data.hub import read_hub
from tailorlm.data.overlap import Match, Overlap
from tailorlm.data.rows import Rows, as_text
from tailorlm.data.shapes import detect
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally
from tailorlm.data.steps.fields import fields_by_shape

HELD = ("validation", "test")
OWN = "this set"
_AROUND = 60
_HUB = "hub:"


class Decontaminate(Step):
    """Drops train rows that share a long run of words with a row of a test set: known sets by name (gsm8k, mmlu, ...), files
    of yours, hub ids, and the set's own test and validation rows.

    Every dropped row says which test row it holds, and how many words in a row. Held-out rows stay. Rows of known sets are not
    shipped: they come from a `folder` of yours, or from the hub. Memory: about 150 bytes a word of the test rows.
    Choose it for rows from the web before scores on a public test set are believed, behind `split`. `own` is for sets whose
    rows quote one another; contracts and laws share long phrases by nature, and many rows would go. Instead of it:
    `deduplicate` for rows of the same form that were copied and edited.
    """

    class Settings(BaseSettings):
        """Which test sets, and how much overlap counts."""

        tests: tuple[str, ...] = setting(
            (), help="what no train row may hold: names of known test sets, files of test rows, hub:owner/name"
        )
        folder: str | None = setting(
            None, help="where rows of known test sets lie (gsm8k.jsonl, ...); without it they come from the hub"
        )
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
        self._names: list[tuple[str, str]] = []

    def check(self) -> None:
        """Some test rows must be named, and names be known."""
        if not self.settings.tests and not self.settings.own:
            raise UsageError(
                "decontamination needs test rows to look for",
                allowed="known test sets (tailor prep --benchmarks lists them), files, hub ids, or the set's own test rows",
                hint="--decontaminate gsm8k --decontaminate my_test.jsonl, or --set decontaminate.own=true",
            )
        for name in self.settings.tests:
            if name in BENCHMARKS:
                find_benchmark(name, self.settings.folder)
            elif not name.startswith(_HUB) and not _is_file(name):
                raise UsageError(
                    f"'{name}' is neither a known test set nor a file that is there",
                    allowed="files, folders, hub:owner/name, or " + ", ".join(BENCHMARKS),
                    hint=f"did you mean {' or '.join(near)}?" if (near := near_misses(name, BENCHMARKS)) else None,
                )

    def look(self, items: Sequence[Item]) -> Any:
        """The set's own held-out rows."""
        if not self.settings.own:
            return []
        text = self.context.fields.text
        return [[OWN, item.where, text(item.values)] for item in items if item.split in HELD]

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """All test rows: of which set, where they stand, and their texts."""
        found = [row for look in looks for row in look]
        prints: dict[str, str] = {}
        for name in dict.fromkeys(self.settings.tests):
            test_rows = self._read(name)
            prints[name] = test_rows.fingerprint()
            found += ([name, where, text] for where, text in self._texts(name, test_rows))
        return {"tests": found, "fingerprints": prints}

    def begin(self, learned: Any) -> None:
        """Take the test rows into the index."""
        super().begin(learned)
        if learned is not None:
            self._overlap.add_test(text for _, _, text in learned["tests"])
            self._names = [(name, where) for name, where, _ in learned["tests"]]

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or which test row it holds."""
        if item.split in HELD:
            return item
        match = self._overlap.check(self.context.fields.text(item.values))
        if match is None:
            return item
        name, where = self._names[match.test_index]
        tally.numbers[f"rows that hold one of {name}"] += 1
        whole = "all of " if match.whole else ""
        shown = where if where.startswith(name) or name not in BENCHMARKS else f"{name} ({where})"
        return Dropped("holds a test row", f"{whole}{shown}: {match.words} words in a row", self._evidence(match))

    def facts(self) -> dict[str, Any]:
        """How many texts of each test set were looked for."""
        if self.learned is None:
            return {}
        counts = Counter(name for name, _, _ in self.learned["tests"])
        prints = self.learned["fingerprints"]
        return {
            "test sets": {
                name: f"{count:,} texts" + (f", sha256 {prints[name][:16]}" if name in prints else "")
                for name, count in counts.items()
            }
        }

    def _evidence(self, match: Match) -> str:
        assert self.learned is not None
        text: str = self.learned["tests"][match.test_index][2]
        start = max(0, match.test_start - _AROUND)
        return text[start : match.test_end + _AROUND]

    def _texts(self, name: str, rows: Rows) -> Iterator[tuple[str, str]]:
        """Where each text of a test set stands, and the text.

        Of a known set each column that counts is looked for by itself; of a file what this set holds as text, or, where it has
        another shape, what its own shape says.
        """
        known = [c for c in BENCHMARKS[name].columns if c in rows.columns] if name in BENCHMARKS else []
        if known:
            for row in rows:
                yield from ((row.where, as_text(row.values[c])) for c in known if row.values.get(c))
            return
        fields = self.context.fields
        if not set(fields.texts) <= set(rows.columns):
            fields = fields_by_shape(detect(rows.columns, rows[:1000]))
        for row in rows:
            yield row.where, fields.text(row.values)

    def _read(self, name: str) -> Rows:
        from tailorlm.data.read import read

        if name in BENCHMARKS:
            return read_benchmark(name, self.settings.folder)
        return read_hub(name, "test") if name.startswith(_HUB) else read(name)


def _is_file(name: str) -> bool:
    return any(sign in name for sign in "*?[") or Path(name).expanduser().exists()
