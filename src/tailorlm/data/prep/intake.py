"""Files of the user's into rows on disk: read exactly, their shape found, their bytes hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tailorlm.core.atomic import sha256_of
from tailorlm.data.hub import read_hub
from tailorlm.data.prep.settings import PrepColumns, PrepSettings
from tailorlm.data.prep.spool import Spool
from tailorlm.data.prep.wire import dumps, line_of
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import home_path
from tailorlm.data.steps.base import Item
from tailorlm.data.stream import RowStream, stream

HUB = "hub:"
# Escapes of plain signs, but for the quote and the backslash, which would change what the line is.
_ESCAPED = re.compile(r"\\u00((?:2[013-9a-f]|[346][0-9a-f]|5[0-9abdef]|7[0-9a-e]))", re.IGNORECASE)
SAMPLE = 1000
"""Rows by which the shape is detected, from all over the train files: 1,000 at least where there are so many."""
SAMPLE_CHARACTERS = 20_000_000
"""Beyond so many characters fewer rows are kept, down to some ten."""
_FEWEST = 20


@dataclass
class Intake:
    """What was read. files: name, split, bytes, sha256 of each. fingerprint: sha256 over all values in order.

    found: the shape and the columns it needs, told or detected.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list, repr=False)
    columns: dict[str, None] = field(default_factory=dict)
    sample: list[Row] = field(default_factory=list, repr=False)
    every: int = field(default=1, repr=False)
    sampled: int = field(default=0, repr=False)
    found: PrepColumns = field(default_factory=PrepColumns)
    rows: int = 0
    fingerprint: str = ""


def take_in(settings: PrepSettings, spool: Spool, *, limit: int | None = None) -> Intake:
    """Read all files into the spool. limit: stop after so many rows of each split (for a trial).

    Raises what the readers raise: CheckError for more bad rows than allowed, TailorError for whole files.
    """
    intake = Intake()
    digest = hashlib.sha256()
    given = bool(settings.validation or settings.test)
    parts = (("train" if given else "", settings.rows), ("validation", settings.validation), ("test", settings.test))
    with spool:
        for split, names in parts:
            files = [name for name in names if not name.startswith(HUB)]
            if files:
                rows = stream(files, **settings.read.model_dump())
                spool.write_lines(_lines(rows, split, intake, digest, limit))
                _note(rows, split, intake)
            for name in names:
                if name.startswith(HUB):
                    found = read_hub(name, split or "train")
                    spool.write_lines(_lines(found, split, intake, digest, limit))
                    intake.notes += found.notes
                    intake.files.append({"name": name, "split": split})
    intake.fingerprint = digest.hexdigest()
    intake.rows = len(spool)
    return intake


def _lines(rows: Iterable[Row], split: str, intake: Intake, digest: Any, limit: int | None) -> Iterator[bytes]:
    for number, row in enumerate(rows):
        if number == limit:
            intake.notes.append(f"only the first {limit:,} rows were looked at")
            return
        if split in ("", "train") and number % intake.every == 0:
            _sample(intake, row)
        intake.columns.update(dict.fromkeys(row.values))
        values = dumps(row.values)
        digest.update(values.encode("ascii"))
        digest.update(b"\n")
        yield line_of(Item(number, row.values, row.source, row.line, split), values)


def _sample(intake: Intake, row: Row) -> None:
    intake.sample.append(row)
    intake.sampled += _size(row)
    # Half of them go, and from here on every other one is passed over; of long documents fewer show what they are.
    if len(intake.sample) == 2 * SAMPLE or (intake.sampled > SAMPLE_CHARACTERS and len(intake.sample) >= _FEWEST):
        intake.sample = intake.sample[::2]
        intake.sampled = sum(map(_size, intake.sample))
        intake.every *= 2


def _size(row: Row) -> int:
    return sum(len(value) for value in row.values.values() if isinstance(value, str))


def _note(rows: RowStream, split: str, intake: Intake) -> None:
    intake.notes += rows.notes
    intake.bad += rows.bad
    intake.files += [_file(name, split) for name in rows.inputs]


def _file(name: str, split: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": name, "split": split}
    path = home_path(name)
    if name == "-" or not path.is_file():
        return facts
    return facts | {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def bad_lines(bad: Iterable[BadRow], cover: Any) -> Iterator[dict[str, Any]]:
    """Rows that could not be read, for the side file; private values covered, also where JSON writes them with escapes."""
    for row in bad:
        raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), row.raw)
        yield {"source": row.source, "line": row.line, "reason": cover(row.reason), "raw": cover(raw)}
