"""Mojibake, Unicode form, invisible and control characters, HTML remains, white space, boilerplate lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.clean import FrequentKeys, RepairOptions, lines_of, repair, without_lines
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally

# Texts that a model learns to write: markup and indentation may be what it is asked for.
WRITTEN = ("completion", "alpaca", "sharegpt", "messages", "preference")
# Lines here stand for people; what recurs at the head or foot of documents is nobody's answer.
DOCUMENTS = ("documents",)
_AROUND, _SHOWN = 60, 300


class Repair(Step):
    """Repairs every text of a row, and removes lines that recur over many documents.

    Changes columns that hold text; ids, labels and roles stay as they are. Spans and answers are carried along. `auto`
    leaves HTML, indentation and blanks alone in texts that a model learns to write (completions, chats, preferences), and
    looks for boilerplate in documents only.
    Choose it first: every later step compares texts. Instead of it: nothing; a set that needs no repair comes out equal.
    """

    class Settings(BaseSettings):
        """What is repaired."""

        mojibake: bool = setting(True, help="mend text that was decoded wrongly ('Ã¼' for 'ü')")
        form: Literal["NFC", "NFKC", "none"] = setting(
            "NFC", help="Unicode form; NFKC also folds full-width letters and ligatures"
        )
        invisible: bool = setting(True, help="remove zero-width and direction characters that are of no use")
        control: bool = setting(True, help="remove control characters, one kind of line end")
        html: Literal["auto", "yes", "no"] = setting(
            "auto", help="remove tags and resolve entities that were left over"
        )
        spaces: Literal["auto", "full", "ends", "off"] = setting(
            "auto", help="white space: runs, ends and empty lines (`full`), ends of lines alone (`ends`)"
        )
        boilerplate: float = setting(
            0.1, ge=0, le=1, help="remove lines that stand in this share of the documents or more; 0: none"
        )
        boilerplate_least: int = setting(10, ge=2, help="and in this many documents at least", unit="documents")
        known_boilerplate: tuple[str, ...] = setting(
            (), help="keys of lines that an earlier preparation found; written by it, so that later rows lose the same"
        )

    settings: Settings

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        written = context.fields.shape in WRITTEN
        html = settings.html == "yes" or (settings.html == "auto" and not written)
        spaces = ("ends" if written else "full") if settings.spaces == "auto" else settings.spaces
        form = None if settings.form == "none" else settings.form
        self._options = RepairOptions(settings.mojibake, form, settings.invisible, settings.control, html, spaces)
        self._lines: dict[str, int] = dict.fromkeys(settings.known_boilerplate, 0)
        self.surveys = self._looks_for_lines

    @property
    def _looks_for_lines(self) -> bool:
        told = bool(self.settings.known_boilerplate)
        return self.context.fields.shape in DOCUMENTS and self.settings.boilerplate > 0 and not told

    def look(self, items: Sequence[Item]) -> Any:
        """Keys of lines with the documents they stand in, and the count of documents of several lines."""
        lines: Counter[str] = Counter()
        documents = 0
        for item in items:
            found = lines_of(self._repaired(self.context.fields.text(item.values))[0])
            documents += bool(found)
            lines += found
        return [documents, dict(lines)]

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """The keys of the lines to remove, with the number of documents that have them."""
        frequent, documents = FrequentKeys(), 0
        for count, lines in looks:
            documents += count
            frequent.add(lines.items())
        least = max(self.settings.boilerplate_least, math.ceil(self.settings.boilerplate * documents))
        return {"documents": documents, "lines": frequent.at_least(least)}

    def begin(self, learned: Any) -> None:
        """Take the lines to remove."""
        super().begin(learned)
        if learned is not None:
            self._lines = {**self._lines, **learned["lines"]}

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row with its texts repaired."""
        reasons: dict[str, None] = {}
        removed: list[str] = []

        def edit(text: str) -> str:
            text, done = self._repaired(text)
            reasons.update(dict.fromkeys(done))
            if self._lines:
                text, gone = without_lines(text, self._lines)
                removed.extend(gone)
            return text

        values = self.context.fields.change(item.values, edit)
        if values is item.values:
            return item
        for line in removed:
            tally.show("boilerplate lines", item.where, line, "")
        tally.numbers["boilerplate lines removed"] += len(removed)
        before, after = self._around(item.values, values)
        for reason in reasons:
            tally.changed[reason] += 1
            tally.show(reason, item.where, before, after)
        if removed:
            tally.changed["boilerplate lines"] += 1
        return item.with_values(values)

    def facts(self) -> dict[str, Any]:
        """How many lines were found to recur, and in how many documents."""
        if self.learned is None:
            return {}
        lines = self.learned["lines"]
        return {"documents of several lines": self.learned["documents"], "lines that recur": len(lines)}

    def learned_settings(self) -> dict[str, Any]:
        """What a later delivery must be told to be treated alike."""
        return {"known_boilerplate": list(self._lines)} if self._lines else {}

    def _repaired(self, text: str) -> tuple[str, tuple[str, ...]]:
        return repair(text, self._options)

    def _around(self, old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str]:
        """Text before and after; of long ones the neighbourhood of what differs."""
        before, after = self.context.fields.text(old), self.context.fields.text(new)
        shortest = min(len(before), len(after))
        front = next((i for i in range(shortest) if before[i] != after[i]), shortest)
        back = next((i for i in range(shortest - front) if before[-1 - i] != after[-1 - i]), shortest - front)
        start = max(0, front - _AROUND)
        return tuple(_window(text, start, len(text) - back + _AROUND) for text in (before, after))  # type: ignore[return-value]


def _window(text: str, start: int, end: int) -> str:
    end = min(end, start + _SHOWN, len(text))
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
