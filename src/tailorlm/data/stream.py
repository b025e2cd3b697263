"""The rows of all files one after another, without holding them: what `read` and every long job stand on."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tailorlm.core.atomic import disk_errors, write_text
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.delimited import named_delimiter
from tailorlm.data.encoding import text_codec
from tailorlm.data.inputs import Input, Inputs, find_inputs
from tailorlm.data.readers import ALSO, DOCUMENTS, READERS, TABLE, Reader
from tailorlm.data.rows import BadRow, Pool, Row
from tailorlm.data.sniff import format_by_name, format_of
from tailorlm.data.source import Source, open_source

SHOWN_FAULTS = 10
_KEY_SETS = 1000
MAX_COLUMNS = 10_000
"""Different columns of a set of rows; more are keys that hold values."""
_TOLD_COLUMNS = 10  # a folder of ten thousand files does not get ten thousand notes


class _Options(NamedTuple):
    format: str | None
    encoding: str | None
    delimiter: str | None
    max_bad: int
    quarantine: Path | None


class RowStream:
    """The rows of several files in order; each `for` over it reads them afresh (standard input: once).

    inputs: the files. After the end of a pass: `columns` (their union, in order of first appearance), `notes` (every
    decision), `count` (rows), `bad_count`, `bad` (the first ten, or as many as may be set aside).
    The end of a pass raises CheckError when more rows were bad than allowed, or none was left: what was made of the rows
    before must not be used then. Held in memory: one row, the bad ones that may be set aside, nothing that grows.
    """

    def __init__(self, inputs: Inputs, options: _Options):
        self.inputs = tuple(file.name for file in inputs.files)
        self._files, self._found_notes, self._options = inputs.files, inputs.notes, options
        self._passed_stdin = False
        self._restart()

    def __iter__(self) -> Iterator[Row]:
        if "-" in self.inputs and self._passed_stdin:
            raise TailorError("standard input can be read once only", hint="write it to a file, and name that")
        self._passed_stdin = True
        self._restart()
        for file in self._files:
            yield from self._rows_of(file)
        self._end()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a row had so far, in order of first appearance."""
        return tuple(self._columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided so far ('x.csv: delimiter ;'), for the report."""
        return tuple(self._notes)

    @property
    def bad(self) -> tuple[BadRow, ...]:
        """The bad rows so far; beyond those that may be set aside only the first ten."""
        return tuple(self._bad)

    def _restart(self) -> None:
        self.count = self.bad_count = 0
        self._notes: list[str] = list(self._found_notes)
        self._bad: list[BadRow] = []
        self._columns: dict[str, None] = {}
        self._files_read = self._differing = 0
        self._kinds: dict[str, None] = {}
        self._pool = Pool()

    def _rows_of(self, file: Input) -> Iterator[Row]:
        """The rows of one file; where a file is one document of many, what is wrong with it is a bad row."""
        kind = self._options.format and ALSO.get(self._options.format, self._options.format)
        try:
            with open_source(file.name, encoding=self._options.encoding, delimiter=self._options.delimiter) as source:
                kind = kind or format_of(source, found=file.found)
                self._kinds[kind] = None
                yield from self._read(source, READERS.get(kind))
        except TailorError as exc:
            kind = kind or format_by_name(file.name)  # it failed before its content could be looked at
            if kind not in DOCUMENTS or len(self._files) == 1:
                raise
            self._set_aside(_bad_document(file.name, exc))

    def _read(self, source: Source, reader: Reader) -> Iterator[Row]:
        present: Counter[str] = Counter()
        keys: Counter[tuple[str, ...]] = Counter()  # nearly all rows have the same: counted together
        count, bad_before = 0, self.bad_count
        for item in reader(source):
            if isinstance(item, BadRow):
                self._set_aside(item)
                continue
            keys[tuple(item.values)] += 1
            if len(keys) > _KEY_SETS:
                _fold(keys, present)
                _check_columns(item, present)
            self._pool.share(item.values)
            count += 1
            self.count += 1
            yield item
        _fold(keys, present)
        if count:
            _check_columns(item, present)
        if not count and self.bad_count == bad_before:
            raise TailorError(f"{source.name} holds no rows", hint="check that the file was written to its end")
        self._notes += source.notes
        self._note_columns(source.name, present, count)
        self._columns.update(dict.fromkeys(present))
        self._files_read += 1

    def _set_aside(self, bad: BadRow) -> None:
        self.bad_count += 1
        if self.bad_count <= max(self._options.max_bad, SHOWN_FAULTS):
            self._bad.append(bad)

    def _note_columns(self, name: str, present: Counter[str], count: int) -> None:
        notes = [f"{name}: {count - n:,} of {count:,} rows have no {c!r}" for c, n in present.items() if n < count]
        if self._files_read and count:
            missing = [c for c in self._columns if c not in present]
            added = [c for c in present if c not in self._columns]
            notes += [f"{name}: without the column {', '.join(missing)} of the files before"] if missing else []
            notes += [f"{name}: with a new column {', '.join(added)}"] if added else []
        self._differing += bool(notes)
        if self._differing <= _TOLD_COLUMNS:
            self._notes += notes

    def _end(self) -> None:
        """Judge the whole: too many bad rows, none left; then write the quarantine file."""
        told = self._options.delimiter
        if told is not None and all(kind in TABLE and kind not in ("csv", "tsv") for kind in self._kinds):
            kinds = dict.fromkeys("JSON" if kind in ("json", "jsonl") else kind for kind in self._kinds)
            raise UsageError(f"--delimiter means nothing for {', '.join(kinds)}", got=repr(told), hint="leave it out")
        if self._differing > _TOLD_COLUMNS:
            self._notes.append(f"{self._differing - _TOLD_COLUMNS:,} more files with other columns")
        max_bad, quarantine = self._options.max_bad, self._options.quarantine
        if self.bad_count > max_bad or not self.count:
            raise self._too_bad()
        if self._bad:
            self._notes.append(f"{_count(len(self._bad), 'bad row')} set aside (--max-bad {max_bad})")
        if quarantine is not None and (self._bad or quarantine.exists()):
            with disk_errors(quarantine):
                quarantine.parent.mkdir(parents=True, exist_ok=True)
            write_text(quarantine, "".join(_quarantined(bad) for bad in self._bad))

    def _too_bad(self) -> CheckError:
        faults = [str(bad) for bad in self._bad[:SHOWN_FAULTS]]
        if self.bad_count > len(faults):
            faults.append(f"... and {self.bad_count - len(faults):,} more")
        name = "<stdin>" if self.inputs[0] == "-" else self.inputs[0]
        where = name if len(self.inputs) == 1 else f"{len(self.inputs)} files"
        what = f"{where}: {_count(self.bad_count, 'bad row')}"
        mend = "mend them"
        if self.count:
            mend += f", or set them aside with --max-bad {self.bad_count}"
        left = f"{_count(self.count, 'row')} could be read"
        allowed = f"at most {self._options.max_bad} bad"
        return CheckError("\n  ".join([what, *faults]), got=left, allowed=allowed, hint=mend)


def stream(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bad: int = 0,
    quarantine: str | Path | None = None,
    documents: bool = False,
) -> RowStream:
    """Rows to go through one by one, from files, folders and patterns (`-`: standard input); options as in `read`.

    documents: a `.txt` that is named itself is one document too, as those found in a folder are, and no table.

    Nothing is read before the first `for`. Files of one document each (txt, md, html, pdf, docx, odt) that cannot be
    read count as bad rows where there are several files; a fault of a whole table always stops.
    Raises UsageError for options, TailorError for a folder or pattern without files.
    Choose `read` when the rows fit into memory and are needed at once.
    """
    inputs = find_inputs(paths)
    if documents:
        inputs = inputs._replace(files=tuple(file._replace(found=True) for file in inputs.files))
    _check_options(format, encoding, max_bad)
    told = None if delimiter is None else named_delimiter(delimiter)
    aside = None if quarantine is None else Path(quarantine)
    if aside is not None:
        _guard_inputs(aside, inputs)
    return RowStream(inputs, _Options(format, encoding, told, max_bad, aside))


def _bad_document(name: str, fault: TailorError) -> BadRow:
    """A document that cannot be read, as the bad row that it is among many."""
    what = fault.what.removeprefix(name)
    place = re.match(r":(\d+): ", what)
    return BadRow(name, int(place[1]) if place else 1, what[place.end() :] if place else what.lstrip(": "), "")


def _fold(keys: Counter[tuple[str, ...]], present: Counter[str]) -> None:
    """Count each column of the rows counted by their keys, and begin anew."""
    for columns, number in keys.items():
        for column in columns:
            present[column] += number
    keys.clear()


def _check_columns(last: Row | BadRow, present: Counter[str]) -> None:
    if len(present) > MAX_COLUMNS:
        raise TailorError(
            f"{last.source}:{last.line}: the rows have {len(present):,} different columns up to here",
            allowed=f"up to {MAX_COLUMNS:,}",
            hint='keys that are values belong into one column, as {"counts": {"some word": 3}} does',
        )


def _check_options(format: str | None, encoding: str | None, max_bad: int) -> None:
    """Faults of the options come before any file is opened."""
    if format is not None and format not in ALSO:
        READERS.get(format)
    if encoding is not None:
        text_codec(encoding)
    if max_bad < 0:
        raise UsageError("--max-bad counts rows", got=str(max_bad), allowed="0 or more")


def _guard_inputs(quarantine: Path, inputs: Inputs) -> None:
    real = os.path.realpath(quarantine)
    if any(file.name != "-" and os.path.realpath(file.name) == real for file in inputs.files):
        raise UsageError(f"the quarantine file {quarantine} is one of the files to read", hint="choose another name")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _quarantined(bad: BadRow) -> str:
    fields = {"source": bad.source, "line": bad.line, "reason": bad.reason, "raw": bad.raw}
    return json.dumps(fields, ensure_ascii=False) + "\n"
