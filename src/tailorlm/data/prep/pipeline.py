"""The preparation: rows in, steps in passes, a folder out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from tailorlm.core.atomic import disk_errors
from tailorlm.core.errors import CheckError
from tailorlm.core.machine import cores
from tailorlm.data.near import typical_length
from tailorlm.data.prep.census import LANGUAGES_OF, Census
from tailorlm.data.prep.columns import fields_of
from tailorlm.data.prep.intake import Intake, bad_lines, take_in
from tailorlm.data.prep.passes import Pass, looks_itself, planned
from tailorlm.data.prep.settings import PrepSettings
from tailorlm.data.prep.spool import CHUNK_BYTES, SplitFiles, Spool
from tailorlm.data.prep.stage import Outcome, Stage, StagePlan, make_step
from tailorlm.data.prep.wire import json_line, lines_of
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
    ray: str | None = None,
    limit: int | None = None,
    secret: str = "",
    listen: Listener = lambda what, done, all_: None,
    models: str = "",
) -> Prepared:
    """All steps of a preparation over all rows, into JSON Lines files in `folder`.

    workers: processes (None: one a core; small sets take one). ray: the address of a Ray cluster that the workers are on (see
    `on_ray.cluster`). limit: only the first rows of each split, for a trial. secret: the key of pseudonyms, as hex. listen: told
    how far it is. models: the class that brings language models ("module:attribute"), for steps that ask for one.
    Memory does not grow with the rows, but for what single steps say of themselves.
    Raises TailorError for files, UsageError for columns and settings, CheckError when no row is left.
    """
    started = time.monotonic()
    with _workers(workers, ray) as pool, (folder / DROPPED).open("wb") as dropped:
        spool = Spool(folder / "pass-0")
        listen("reading", 0, 0)
        intake = take_in(settings, spool, limit=limit)
        fields, evidence = fields_of(settings.columns, intake)
        typical = typical_length([fields.text(row.values) for row in intake.sample])
        intake.sample = []  # it has said what it can, and may hold very long texts
        context = Context(fields, settings.seed, secret, _threads_for(workers, ray), models, typical)
        parts = settings.chosen_steps
        records = [StepRecord(part.name, part.settings.model_dump(mode="json")) for part in parts]
        made = [make_step(record.name, record.settings, context) for record in records]
        for step in made:
            step.check()
        covers = tuple((r.name, r.settings) for r, step in zip(records, made, strict=True) if step.covers)
        job = _Job(folder, context, covers, pool, dropped, listen)
        job.keep_unreadable(intake)
        for each in planned(made):
            spool = job.stage(records, made, spool, each)
        files = job.give_out(spool)
    if not job.after.rows:
        raise CheckError("no row is left behind the steps", hint="see what each step drops: --dry-run")
    seconds = time.monotonic() - started
    return Prepared(
        settings, intake, context, evidence, records, job.before, job.after, files, job.dropped, seconds, job.cover
    )


def _threads_for(workers: int | None, ray: str | None) -> int:
    """Threads of this process for what must see all rows at once: as many as workers, where those are here."""
    return cores() if ray or workers is None else workers


@contextmanager
def _workers(count: int | None, ray: str | None) -> Iterator[Workers]:
    if ray is None:
        with Workers(count or cores()) as pool:
            yield pool
        return
    from tailorlm.data.prep.on_ray import cluster

    with cluster(ray, count) as (there, hire), Workers(there, hire) as pool:
        yield pool


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
        self._emitted = False
        self._files = SplitFiles(folder)
        self._plain = context.plain()
        self.cover = Stage(StagePlan(self._plain, (), (), covers)).cover
        self.before, self.after = Census(), Census()
        self.dropped = 0

    def keep_unreadable(self, intake: Intake) -> None:
        """Rows that could not be read, in a side file."""
        if intake.bad:
            with (self._folder / UNREADABLE).open("wb") as file, disk_errors(self._folder):
                file.writelines(json_line(row) for row in bad_lines(intake.bad, self.cover))

    def stage(self, records: Sequence[StepRecord], made: Sequence[Step], spool: Spool, told: Pass) -> Spool:
        """One pass, and one before it where its first step must see all rows and has not; the rows behind it.

        records, made: all steps of the preparation.
        """
        started = time.monotonic()
        record, step = records[told.steps[0]], made[told.steps[0]]
        if step.surveys:
            looks = self._looks(record, spool) if looks_itself(step) else iter(())
            step.begin(step.learn(looks, spool))
        if told.idle:
            record.tally = Tally(len(spool), len(spool))
            after = spool
        else:
            plan = self._planned([records[i] for i in told.steps], spool)
            plan = replace(plan, learned=tuple(made[i].learned for i in told.steps), count_before=told.first)
            if told.scout is not None:
                plan = replace(plan, scout=(records[told.scout].name, records[told.scout].settings))
            if told.final:
                plan = replace(plan, emit=True, count_after=True, keep=told.needed)
            after = self._pass(plan, [records[i] for i in told.steps], spool)
        if made[told.steps[-1]].makes_rows:
            after = self._with_extra(records[told.steps[-1]], made[told.steps[-1]], after)
        for i in told.steps:
            records[i].facts, records[i].learned_settings = made[i].facts(), made[i].learned_settings()
        record.seconds = time.monotonic() - started
        return after

    def give_out(self, spool: Spool) -> dict[str, Path]:
        """The rows as JSON Lines, one file a split; most often the last pass has written them."""
        if not self._emitted:
            plan = self._planned([], spool)
            plan = replace(plan, emit=True, count_after=True, keep=False, count_before=not self._passes)
            spool = self._pass(plan, [], spool)
        self._files.close()
        spool.remove()
        return self._files.in_order()

    def _planned(self, records: Sequence[StepRecord], spool: Spool) -> StagePlan:
        every = max(1, len(spool) // LANGUAGES_OF)
        return StagePlan(self._plain, tuple((r.name, r.settings) for r in records), (), self._covers, every=every)

    def _looks(self, record: StepRecord, spool: Spool) -> Iterator[Any]:
        """What a step asked of all rows: kept by the pass before, or asked for now."""
        path = self._told_path()
        if path.exists():
            with path.open("rb") as file:
                yield from map(json.loads, file)
            path.unlink()
            return
        self._pool.begin(self._planned([record], spool), alone=self._alone(spool))
        yield from self._pool.look(self._chunks(spool, f"{record.name}: looking at all rows"))

    def _pass(self, plan: StagePlan, records: list[StepRecord], spool: Spool) -> Spool:
        self._pool.begin(plan, alone=self._alone(spool))
        self._passes += 1
        self._emitted = plan.emit
        after = Spool(self._folder / f"pass-{self._passes}")
        with after, ExitStack() as stack:
            told = stack.enter_context(self._told_path().open("wb")) if plan.scout else None
            for outcome in self._pool.run(self._chunks(spool, ", ".join(r.name for r in records) or "writing")):
                self._take(outcome, records)
                after.write(outcome.kept)
                self._files.write(outcome.by_split)
                if told is not None:
                    with disk_errors(self._folder):
                        told.write(json.dumps(outcome.told).encode("ascii") + b"\n")
        spool.remove()
        return after

    def _told_path(self) -> Path:
        return self._folder / f"told-{self._passes}"

    def _with_extra(self, record: StepRecord, step: Step, spool: Spool) -> Spool:
        """The rows and behind them the new ones."""
        self._passes += 1
        after = Spool(self._folder / f"pass-{self._passes}")
        with after:
            for _, chunk in spool.chunks():
                after.write(chunk)
            after.write_lines(lines_of([item]) for item in step.extra(spool))
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

    def _chunks(self, spool: Spool, what: str) -> Iterator[tuple[int, bytes]]:
        for first, chunk in spool.chunks():
            self._listen(what, first, len(spool))
            yield first, chunk
        self._listen(what, len(spool), len(spool))

    def _alone(self, spool: Spool) -> bool:
        return len(spool) == 1 or spool.path.stat().st_size < ALONE_BYTES
