"""The preparation: rows in, steps in passes, a folder out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from tailorlm.core.atomic import disk_errors
from tailorlm.core.errors import CheckError
from tailorlm.core.machine import cores
from tailorlm.data.prep.census import LANGUAGES_OF, Census
from tailorlm.data.prep.columns import fields_of
from tailorlm.data.prep.intake import Intake, bad_lines, take_in
from tailorlm.data.prep.settings import PrepSettings
from tailorlm.data.prep.spool import CHUNK_BYTES, Spool
from tailorlm.data.prep.stage import Outcome, Stage, StagePlan, make_step
from tailorlm.data.prep.wire import json_line
from tailorlm.data.prep.workers import Workers
from tailorlm.data.steps.base import Context, Step, Tally

Listener = Callable[[str, int, int], None]
"""Told (what is done, rows done, rows in all)."""

ALONE_BYTES = 4 * CHUNK_BYTES
"""Below this size starting further processes takes longer than they save."""
DROPPED, UNREADABLE = "dropped.jsonl", "unreadable.jsonl"


@dataclass
class StepRecord:
    """What one step did. learned_settings: by which a later delivery is treated alike."""

    name: str
    settings: dict[str, Any]
    tally: Tally = field(default_factory=Tally)
    facts: dict[str, Any] = field(default_factory=dict)
    learned_settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Prepared:
    """A preparation that ran: what was read, what each step did, counts before and after, the files of rows.

    files: split -> JSON Lines file in the working folder, which the caller publishes or removes.
    """

    settings: PrepSettings
    intake: Intake
    context: Context
    evidence: list[str]
    steps: list[StepRecord]
    before: Census
    after: Census
    files: dict[str, Path]
    dropped: int = 0
    seconds: float = 0.0
    cover: Callable[[str], str] = field(default=lambda text: text, repr=False)


def run(
    settings: PrepSettings,
    folder: Path,
    *,
    workers: int | None = None,
    limit: int | None = None,
    secret: str = "",
    listen: Listener = lambda what, done, all_: None,
    models: str = "",
) -> Prepared:
    """All steps of a preparation over all rows, into JSON Lines files in `folder`.

    workers: processes (None: one a core; small sets take one). limit: only the first rows of each split, for a trial.
    secret: the key of pseudonyms, as hex. listen: told how far it is. models: the class that brings language models
    ("module:attribute"), for steps that ask for one.
    Memory does not grow with the rows, but for what single steps say of themselves.
    Raises TailorError for files, UsageError for columns and settings, CheckError when no row is left.
    """
    started = time.monotonic()
    spool = Spool(folder / "pass-0")
    listen("reading", 0, 0)
    intake = take_in(settings, spool, limit=limit)
    fields, evidence = fields_of(settings.columns, intake)
    count = workers or cores()
    context = Context(fields, settings.seed, secret, count, models)
    parts = settings.chosen_steps
    records = [StepRecord(part.name, part.settings.model_dump(mode="json")) for part in parts]
    made = [make_step(record.name, record.settings, context) for record in records]
    for step in made:
        step.check()
    covers = tuple((r.name, r.settings) for r, step in zip(records, made, strict=True) if step.covers)
    with Workers(count) as pool, (folder / DROPPED).open("wb") as dropped:
        job = _Job(folder, context, covers, pool, dropped, listen)
        job.keep_unreadable(intake)
        for at, several in enumerate(_stages(made)):
            spool = job.stage([records[i] for i in several], [made[i] for i in several], spool, first=at == 0)
        files = job.give_out(spool, counted=bool(made))
    if not job.after.rows:
        raise CheckError("no row is left behind the steps", hint="see what each step drops: --dry-run")
    seconds = time.monotonic() - started
    return Prepared(
        settings, intake, context, evidence, records, job.before, job.after, files, job.dropped, seconds, job.cover
    )


def _stages(made: Sequence[Step]) -> list[list[int]]:
    """Which steps share a pass: one that must see all rows first begins a new one, one that makes rows stands alone."""
    stages: list[list[int]] = []
    closed = True
    for i, step in enumerate(made):
        if closed or step.surveys or step.makes_rows:
            stages.append([])
        stages[-1].append(i)
        closed = step.makes_rows
    return stages


class _Job:
    """One preparation at work."""

    def __init__(
        self,
        folder: Path,
        context: Context,
        covers: tuple[tuple[str, dict[str, Any]], ...],
        pool: Workers,
        dropped: IO[bytes],
        listen: Listener,
    ):
        self._folder, self._context, self._covers = folder, context, covers
        self._pool, self._dropped, self._listen = pool, dropped, listen
        self._passes = 0
        self._plain = context.plain()
        self.cover = Stage(StagePlan(self._plain, (), (), covers)).cover
        self.before, self.after = Census(), Census()
        self.dropped = 0

    def keep_unreadable(self, intake: Intake) -> None:
        """Rows that could not be read, in a side file."""
        if intake.bad:
            with (self._folder / UNREADABLE).open("wb") as file, disk_errors(self._folder):
                file.writelines(json_line(row) for row in bad_lines(intake.bad, self.cover))

    def stage(self, records: list[StepRecord], made: list[Step], spool: Spool, *, first: bool) -> Spool:
        """One pass, and a second one before it where the first step must see all rows; the rows behind it."""
        started = time.monotonic()
        named = tuple((r.name, r.settings) for r in records)
        plan = StagePlan(self._plain, named, (), self._covers, count_before=first, every=_every(spool))
        step = made[0]
        name = ", ".join(record.name for record in records)
        if step.surveys:
            self._pool.begin(plan, alone=self._alone(spool))
            told = self._told(spool, f"{records[0].name}: looking at all rows")
            looks = self._pool.look(told) if type(step).look is not Step.look else iter(())
            step.begin(step.learn(looks, spool))
        if not first and len(made) == 1 and not step.changes_rows:
            records[0].tally = Tally(len(spool), len(spool))
            after = self._with_extra(records[0], step, spool) if step.makes_rows else spool
            self._close(records, made, started)
            return after
        learned = [each.learned for each in made]
        plan = replace(plan, learned=tuple(learned))
        self._pool.begin(plan, alone=self._alone(spool))
        after = self._pass(records, spool, name)
        if made[-1].makes_rows:
            after = self._with_extra(records[-1], made[-1], after)
        self._close(records, made, started)
        return after

    def give_out(self, spool: Spool, *, counted: bool) -> dict[str, Path]:
        """The rows as JSON Lines, one file a split, and their census."""
        plan = StagePlan(
            self._plain, (), (), self._covers, not counted, count_after=True, emit=True, every=_every(spool)
        )
        self._pool.begin(plan, alone=self._alone(spool))
        files: dict[str, Path] = {}
        opened: dict[str, IO[bytes]] = {}
        try:
            for outcome in self._pool.run(self._told(spool, "writing")):
                self._take(outcome, [])
                for split, lines in outcome.by_split.items():
                    if split not in opened:
                        files[split] = self._folder / f"{split or 'rows'}.jsonl"
                        opened[split] = files[split].open("wb")
                    with disk_errors(files[split]):
                        opened[split].write(lines)
        finally:
            for file in opened.values():
                file.close()
        spool.remove()
        return {split: files[split] for split in ("", "train", "validation", "test") if split in files}

    def _pass(self, records: list[StepRecord], spool: Spool, name: str) -> Spool:
        after = self._next_spool()
        with after:
            for outcome in self._pool.run(self._told(spool, name)):
                self._take(outcome, records)
                after.write(outcome.kept)
        spool.remove()
        return after

    def _with_extra(self, record: StepRecord, step: Step, spool: Spool) -> Spool:
        """The rows and behind them the new ones."""
        after = self._next_spool()
        with after:
            for _, chunk in spool.chunks():
                after.write(chunk)
            after.write_items(step.extra(spool))
        added = len(after) - len(spool)
        record.tally.rows_out += added
        record.tally.numbers["rows added"] += added
        spool.remove()
        return after

    def _take(self, outcome: Outcome, records: list[StepRecord]) -> None:
        for record, tally in zip(records, outcome.tallies, strict=True):
            record.tally.add(tally)
        with disk_errors(self._folder):
            self._dropped.write(outcome.dropped)
        self.dropped += outcome.dropped.count(b"\n")
        if outcome.before:
            self.before.add(outcome.before)
        if outcome.after:
            self.after.add(outcome.after)

    def _close(self, records: list[StepRecord], made: list[Step], started: float) -> None:
        for record, step in zip(records, made, strict=True):
            record.facts, record.learned_settings = step.facts(), step.learned_settings()
        records[0].seconds = time.monotonic() - started

    def _told(self, spool: Spool, what: str) -> Iterator[tuple[int, bytes]]:
        for first, chunk in spool.chunks():
            self._listen(what, first, len(spool))
            yield first, chunk
        self._listen(what, len(spool), len(spool))

    def _alone(self, spool: Spool) -> bool:
        return spool.path.stat().st_size < ALONE_BYTES

    def _next_spool(self) -> Spool:
        self._passes += 1
        return Spool(self._folder / f"pass-{self._passes}")


def _every(spool: Spool) -> int:
    return max(1, len(spool) // LANGUAGES_OF)
