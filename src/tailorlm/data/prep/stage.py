"""Consecutive steps that share one pass over the rows: what is done to one chunk, in whatever process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailorlm.core.config import validate
from tailorlm.data.prep.census import Census
from tailorlm.data.prep.wire import items_of, json_line, lines_of
from tailorlm.data.steps import steps
from tailorlm.data.steps.base import Context, Dropped, Item, Step, Tally

SHOWN_CHARACTERS = 400
"""Of a text in an example."""


@dataclass
class Outcome:
    """What became of a chunk: the rows as lines, the dropped ones, one tally a step, counts before and after.

    by_split: only where the stage gives out rows as JSON Lines: split -> lines. told: what the step of the next pass wanted to
    know of these rows.
    """

    kept: bytes = b""
    dropped: bytes = b""
    tallies: list[Tally] = field(default_factory=list)
    before: Census | None = None
    after: Census | None = None
    by_split: dict[str, bytes] = field(default_factory=dict)
    told: Any = field(default=None, repr=False)

    def pack(self) -> bytes:
        """For another process: a line of JSON, then the bytes it gives the sizes of."""
        parts = {"kept": self.kept, "dropped": self.dropped, **{f"split:{k}": v for k, v in self.by_split.items()}}
        head = {
            "sizes": {name: len(data) for name, data in parts.items()},
            "tallies": [tally.plain() for tally in self.tallies],
            "before": self.before.plain() if self.before else None,
            "after": self.after.plain() if self.after else None,
            "told": self.told,
        }
        return b"".join([json.dumps(head).encode("ascii"), b"\n", *parts.values()])

    @classmethod
    def unpack(cls, data: bytes) -> Outcome:
        """The outcome that `pack` wrote."""
        at = data.index(b"\n") + 1
        head = json.loads(data[:at])
        parts: dict[str, bytes] = {}
        for name, size in head["sizes"].items():
            parts[name] = data[at : at + size]
            at += size
        return cls(
            parts.pop("kept"),
            parts.pop("dropped"),
            [Tally.of(plain) for plain in head["tallies"]],
            Census.of(head["before"]) if head["before"] else None,
            Census.of(head["after"]) if head["after"] else None,
            {name.removeprefix("split:"): lines for name, lines in parts.items()},
            head["told"],
        )


@dataclass(frozen=True)
class StagePlan:
    """What a stage is, in JSON's own types, so that it can be sent.

    steps: (name, settings) each. learned: what each step's `learn` gave. covers: the settings of all steps of the whole
    preparation that hide private values. scout: the step that the next pass begins with, which looks at the rows while they are at
    hand. count_before, count_after: take a census. keep: give the rows on. emit: give out JSON Lines by split. every: which
    rows a census asks for their language.
    """

    context: dict[str, Any] = field(repr=False)
    steps: tuple[tuple[str, dict[str, Any]], ...]
    learned: tuple[Any, ...] = field(default=(), repr=False)
    covers: tuple[tuple[str, dict[str, Any]], ...] = ()
    scout: tuple[str, dict[str, Any]] | None = None
    count_before: bool = False
    count_after: bool = False
    keep: bool = True
    emit: bool = False
    every: int = 1

    def dump(self) -> bytes:
        """As bytes of JSON."""
        return json.dumps(self.__dict__).encode("ascii")

    @classmethod
    def load(cls, data: bytes) -> StagePlan:
        """The plan that `dump` wrote."""
        plain = json.loads(data)
        pairs = {name: tuple((part, settings) for part, settings in plain[name]) for name in ("steps", "covers")}
        scout = tuple(plain["scout"]) if plain["scout"] else None
        return cls(**{**plain, **pairs, "learned": tuple(plain["learned"]), "scout": scout})


class Stage:
    """The steps of a plan at work. The same chunk gives the same bytes in every process."""

    def __init__(self, plan: StagePlan):
        self.plan = plan
        self.context = Context.of(plan.context)
        self.steps = [make_step(name, settings, self.context) for name, settings in plan.steps]
        self.covers = [make_step(name, settings, self.context) for name, settings in plan.covers]
        self.scout = make_step(*plan.scout, self.context) if plan.scout else None
        for step, learned in zip(self.steps, plan.learned, strict=False):
            step.begin(learned)

    def look(self, chunk: bytes) -> Any:
        """What the first step wants to know of a chunk before it is asked for rows."""
        return self.steps[0].look(list(items_of(chunk, 0)))

    def run(self, chunk: bytes, first: int) -> Outcome:
        """All steps over one chunk; `first` is the number of its first row."""
        items = list(items_of(chunk, first))
        outcome = Outcome()
        if self.plan.count_before:
            outcome.before = Census()
            outcome.before.count(items, self.context.fields, self.plan.every)
        dropped: list[bytes] = []
        for step, (name, _) in zip(self.steps, self.plan.steps, strict=True):
            tally = Tally()
            items = self._through(step, name, items, tally, dropped)
            self._cover_examples(tally)
            outcome.tallies.append(tally)
        if self.plan.count_after:
            outcome.after = Census()
            outcome.after.count(items, self.context.fields, self.plan.every)
        outcome.dropped = b"".join(dropped)
        if self.scout is not None:
            outcome.told = self.scout.look(items)
        if self.plan.emit:
            outcome.by_split = emit(items)
        if self.plan.keep:
            outcome.kept = lines_of(items)
        return outcome

    def cover(self, text: str) -> str:
        """`text` without private values, as far as the steps of this preparation know them."""
        for step in self.covers:
            text = step.cover(text)
        return text

    def _through(self, step: Step, name: str, items: Sequence[Item], tally: Tally, dropped: list[bytes]) -> list[Item]:
        kept: list[Item] = []
        fields = self.context.fields
        step.ahead(items)
        for item in items:
            made = step.apply(item, tally)
            if made is item:
                kept.append(item)
            elif isinstance(made, Item):
                tally.rows_changed += made.values is not item.values
                kept.append(made)
            elif isinstance(made, Dropped):
                tally.dropped[made.reason] += 1
                tally.show(made.reason, item.where, fields.text(item.values), made.like, made.detail)
                dropped.append(self._dropped_line(name, item, made))
            else:
                tally.rows_changed += 1
                kept += made
        tally.rows_in += len(items)
        tally.rows_out += len(kept)
        return kept

    def _dropped_line(self, name: str, item: Item, why: Dropped) -> bytes:
        fields = self.context.fields
        row = fields.change_all(item.values, self.cover) if self.covers else item.values
        said = {"step": name, "reason": why.reason, "detail": self.cover(why.detail)}
        where = {"source": item.source, "line": item.line} | ({"made": item.made} if item.made else {})
        return json_line({**said, **where, **({"split": item.split} if item.split else {}), "row": row})

    def _cover_examples(self, tally: Tally) -> None:
        for examples in tally.examples.values():
            for example in examples:
                # Covered as a whole and cut then: half an address would no longer be known for one.
                example.before, example.after = self._shown(example.before), self._shown(example.after)
                example.detail = self.cover(example.detail)

    def _shown(self, text: str | None) -> str | None:
        if text is None:
            return None
        covered = self.cover(text)
        return covered if len(covered) <= SHOWN_CHARACTERS else covered[: SHOWN_CHARACTERS - 1] + "…"


def emit(items: Sequence[Item]) -> dict[str, bytes]:
    """JSON Lines by split."""
    lines: dict[str, list[bytes]] = {}
    for item in items:
        lines.setdefault(item.split, []).append(json_line(item.values))
    return {split: b"".join(found) for split, found in lines.items()}


def make_step(name: str, settings: Mapping[str, Any], context: Context) -> Step:
    """The step of that name with these settings, checked."""
    part = steps.get(name)
    step: Step = part(validate(dict(settings), part.Settings), context)
    return step
