"""What every step of data preparation is: settings, what it must see first, and what it does to one row.

The pipeline keeps the rows on disk and reads them in chunks, so memory does not grow with their number. A step is asked
in this order:

1. `look(items)` for each chunk, if the step `surveys`: a short answer in JSON's own types. Chunks go to several processes,
   mostly while the pass before has their rows at hand, so `number` says nothing here: count the rows of the chunks.
2. `learn(looks, rows)` once, with all answers in order and the rows on disk: what `apply` needs to know of the whole set,
   again in JSON's own types. It travels to every process (and, on several machines, over the wire).
3. `begin(learned)` in every process, then `ahead(items)` for each chunk and `apply(item, tally)` for each row, in order.
4. `extra(rows)` once, for steps that make new rows out of all the others.

Nothing but `learned` may pass from row to row, so one process and several give the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.data.steps.fields import Fields

SHOWN = 5
"""Examples kept of each kind of change, the first in the order of the rows."""

Split = str
"""'' (not yet split), 'train', 'validation' or 'test'."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row on its way through the steps.

    number: its place among the rows that this pass reads, from 0. source and line: where it stood in the user's file.
    split: '' until it has one. made: how it came to be where it was not read as it is ('passage 2', 'augmented: swap').
    """

    number: int
    values: dict[str, Any] = field(repr=False)
    source: str = ""
    line: int = 0
    split: Split = ""
    made: str = ""

    @property
    def where(self) -> str:
        """`file:line`, for people."""
        return f"{self.source}:{self.line}" + (f" ({self.made})" if self.made else "")

    def with_values(self, values: dict[str, Any]) -> Item:
        """The same row with other values."""
        return Item(self.number, values, self.source, self.line, self.split, self.made)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row taken out: `reason` is a short phrase that is counted, `detail` says what about this row (no private text).

    like: the text of the row that stays in its place, for examples alone.
    """

    reason: str
    detail: str = ""
    like: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Example:
    """One change shown to people: where, and the text before and after it (None: dropped, or not shown)."""

    where: str
    before: str | None = field(repr=False)
    after: str | None = field(repr=False)
    detail: str = ""


@dataclass(slots=True)
class Tally:
    """What one step did: rows in and out, reasons with their counts, and a few examples of each.

    changed: reason to rows. dropped: reason to rows. numbers: other counts (finds by kind, ...).
    """

    rows_in: int = 0
    rows_out: int = 0
    rows_changed: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def show(self, reason: str, where: str, before: str | None, after: str | None, detail: str = "") -> None:
        """Keep an example of `reason`, unless there are enough of it."""
        kept = self.examples.setdefault(reason, [])
        if len(kept) < SHOWN:
            kept.append(Example(where, before, after, detail))

    def add(self, other: Tally) -> None:
        """Take in the tally of a later chunk."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.rows_changed += other.rows_changed
        self.changed += other.changed
        self.dropped += other.dropped
        self.numbers += other.numbers
        for reason, examples in other.examples.items():
            for example in examples:
                self.show(reason, example.where, example.before, example.after, example.detail)

    def plain(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "rows_changed": self.rows_changed,
            "changed": dict(self.changed),
            "dropped": dict(self.dropped),
            "numbers": dict(self.numbers),
            "examples": {
                reason: [[e.where, e.before, e.after, e.detail] for e in examples]
                for reason, examples in self.examples.items()
            },
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Tally:
        """The tally that `plain` wrote."""
        tally = cls(plain["rows_in"], plain["rows_out"], plain["rows_changed"])
        tally.changed.update(plain["changed"])
        tally.dropped.update(plain["dropped"])
        tally.numbers.update(plain["numbers"])
        tally.examples = {reason: [Example(*e) for e in found] for reason, found in plain["examples"].items()}
        return tally


@dataclass(frozen=True)
class Context:
    """What all steps of one preparation share; in JSON's own types but for `fields`.

    fields: where a row's texts and label stand. secret: the key of pseudonyms (hex); it is never written with the rows.
    workers: processes that may be used. models: the name of the class that brings language models (see `_models`). typical:
    characters of a middling text, by a sample of the rows as they were read.
    """

    fields: Fields
    seed: int = 0
    secret: str = field(default="", repr=False)
    workers: int = 1
    models: str = ""
    typical: float = 0.0

    def plain(self) -> dict[str, Any]:
        """For another process."""
        own = {name: getattr(self, name) for name in ("seed", "secret", "models", "typical")}
        return {"fields": self.fields.plain(), **own}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Context:
        """The context that `plain` wrote."""
        return cls(**{**plain, "fields": Fields.of(plain["fields"])})


class RowsOnDisk(Protocol):
    """The rows before a step, as `learn` and `extra` see them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]:
        """All rows in order, read anew."""
        ...

    def fetch(self, numbers: Sequence[int]) -> list[Item]:
        """The rows of these numbers, in this order; each costs one seek."""
        ...


class Step:
    """A step that passes every row on as it is; a part overrides what it needs.

    A subclass has a class `Settings` and a docstring that is a card. `surveys`: it must see all rows first.
    `changes_rows`: False where `apply` passes all rows on. `makes_rows`: `extra` gives rows. `covers`: it hides private
    values, so what is written beside the rows (dropped rows, examples) goes through its `cover` too.
    """

    Settings: ClassVar[type[BaseSettings]] = BaseSettings
    surveys: bool = False
    changes_rows: ClassVar[bool] = True
    makes_rows: ClassVar[bool] = False
    covers: ClassVar[bool] = False

    def __init__(self, settings: Any, context: Context):
        self.settings, self.context = settings, context
        self.learned: Any = None

    def check(self) -> None:
        """Raise UsageError where the settings cannot work on these columns; called before any row is read twice."""

    def look(self, items: Sequence[Item]) -> Any:
        """What `learn` needs of this chunk, in JSON's own types; the answers are kept on disk until `learn` reads them."""
        return None

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """What `apply` needs of the whole set, in JSON's own types; `looks` must be read to its end."""
        for _ in looks:
            pass
        return None

    def begin(self, learned: Any) -> None:
        """Take what `learn` gave (in another process, perhaps)."""
        self.learned = learned

    def ahead(self, items: Sequence[Item]) -> None:
        """The rows that `apply` gets next, for a step that works faster on many at once; it may change none."""

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """One row: the same or a changed one, several in its place, or why it is dropped."""
        return item

    def extra(self, rows: RowsOnDisk) -> Iterator[Item]:
        """New rows, put behind all others."""
        return iter(())

    def cover(self, text: str) -> str:
        """`text` without the private values this step hides."""
        return text

    def learned_settings(self) -> dict[str, Any]:
        """Settings by which a later delivery gets the same treatment without learning again."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What the manifest and the audit say of this step beyond its counts; no private text. From `learned`."""
        return {}
