"""Reading the user's rows: every value as it stands, every fault with its file and line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tailorlm.core.atomic import disk_errors, write_text
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.delimited import named_delimiter
from tailorlm.data.encoding import text_codec
from tailorlm.data.readers import ALSO, READERS, Reader
from tailorlm.data.rows import BadRow, Pool, Row, Rows
from tailorlm.data.sniff import format_of
from tailorlm.data.source import Source, open_source

SHOWN_FAULTS = 10


def read(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bad: int = 0,
    quarantine: str | Path | None = None,
) -> Rows:
    """Read rows from one or several files (`-`: standard input), which may be gzipped.

    format: csv, tsv, jsonl, json or a reader from a plug-in; None goes by the extension, else by the content.
    encoding: None reads UTF-8, and UTF-16/32 with a byte-order mark. delimiter: of csv and tsv; None counts fields.
    max_bad: rows that may be set aside. quarantine: a JSON Lines file for those (source, line, reason, raw); one of an
    earlier read is replaced, its folder is made.
    Strings stay exactly as they stand ("007", "NA", blanks); JSON numbers stay numbers and keep their text (`as_text`).
    Several files follow one another; `notes` tells every decision.

    Raises CheckError when more than `max_bad` rows are bad (the first ten with file and line, and the count) or none is
    left; UsageError for options; TailorError for what is wrong with a whole file (missing, encoding, header, gzip).
    Choose `read_hub` for data sets of the Hugging Face hub.
    """
    names = _names(paths)
    _check_options(format, encoding, max_bad)
    told = None if delimiter is None else named_delimiter(delimiter)
    if quarantine is not None:
        _guard_inputs(Path(quarantine), names)
    gathered = _Gathered(max_bad)
    delimited = False
    for name in names:
        with open_source(name, encoding=encoding, delimiter=told) as source:
            kind = ALSO.get(format, format) if format is not None else format_of(source)
            delimited = delimited or kind not in ("json", "jsonl")
            reader: Reader = READERS.get(kind)
            gathered.read(source, reader)
    if told is not None and not delimited:
        raise UsageError("--delimiter means nothing for JSON", got=repr(delimiter), hint="leave it out")
    rows = gathered.result()
    if quarantine is not None and (rows.bad or Path(quarantine).exists()):
        with disk_errors(quarantine):
            Path(quarantine).parent.mkdir(parents=True, exist_ok=True)
        write_text(quarantine, "".join(_quarantined(bad) for bad in rows.bad))
    return rows


class _Gathered:
    """The rows and faults of all files. Bad rows are kept up to what will be shown or set aside, the rest counted."""

    def __init__(self, max_bad: int):
        self._max_bad = max_bad
        self._rows: list[Row] = []
        self._bad: list[BadRow] = []
        self._bad_count = 0
        self._columns: dict[str, None] = {}
        self._notes: list[str] = []
        self._names: list[str] = []
        self._pool = Pool()

    def read(self, source: Source, reader: Reader) -> None:
        """Take all rows of one file, and note where its columns differ from those before."""
        present: Counter[str] = Counter()
        first, bad_before = len(self._rows), self._bad_count
        for item in reader(source):
            if isinstance(item, BadRow):
                self._set_aside(item)
                continue
            present.update(item.values.keys())
            self._pool.share(item.values)
            self._rows.append(item)
        count = len(self._rows) - first
        if not count and self._bad_count == bad_before:
            raise TailorError(f"{source.name} holds no rows", hint="check that the file was written to its end")
        self._notes += [*source.notes, *self._column_notes(source.name, present, count)]
        self._columns.update(dict.fromkeys(present))
        self._names.append(source.name)

    def result(self) -> Rows:
        """All rows; CheckError when more were bad than allowed, or none is left."""
        if self._bad_count > self._max_bad or not self._rows:
            faults = [str(bad) for bad in self._bad[:SHOWN_FAULTS]]
            if self._bad_count > len(faults):
                faults.append(f"... and {self._bad_count - len(faults):,} more")
            where = self._names[0] if len(self._names) == 1 else f"{len(self._names)} files"
            what = f"{where}: {_count(self._bad_count, 'bad row')}"
            left = f"{_count(len(self._rows), 'row')} could be read"
            mend = "mend them"
            if self._rows:
                mend += f", or set them aside with --max-bad {self._bad_count}"
            raise CheckError("\n  ".join([what, *faults]), got=left, allowed=f"at most {self._max_bad} bad", hint=mend)
        if self._bad:
            self._notes.append(f"{_count(len(self._bad), 'bad row')} set aside (--max-bad {self._max_bad})")
        return Rows(tuple(self._rows), tuple(self._columns), tuple(self._notes), tuple(self._bad))

    def _set_aside(self, bad: BadRow) -> None:
        self._bad_count += 1
        if self._bad_count <= max(self._max_bad, SHOWN_FAULTS):
            self._bad.append(bad)

    def _column_notes(self, name: str, present: Counter[str], count: int) -> list[str]:
        notes = [f"{name}: {count - n:,} of {count:,} rows have no {c!r}" for c, n in present.items() if n < count]
        if self._names and count:
            missing = [c for c in self._columns if c not in present]
            added = [c for c in present if c not in self._columns]
            notes += [f"{name}: without the column {', '.join(missing)} of the files before"] if missing else []
            notes += [f"{name}: with a new column {', '.join(added)}"] if added else []
        return notes


def _names(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """The paths as text, each file once."""
    names = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not names:
        raise UsageError("no file was given", hint="name a file of rows, or - for standard input")
    seen: dict[str, str] = {}
    for name in names:
        real = name if name == "-" else os.path.realpath(name.replace("\0", "?"))
        if real in seen:
            raise UsageError(f"the same file is given twice: {seen[real]} and {name}", hint="name it once")
        seen[real] = name
    return names


def _check_options(format: str | None, encoding: str | None, max_bad: int) -> None:
    """Faults of the options come before any file is opened."""
    if format is not None and format not in ALSO:
        READERS.get(format)
    if encoding is not None:
        text_codec(encoding)
    if max_bad < 0:
        raise UsageError("--max-bad counts rows", got=str(max_bad), allowed="0 or more")


def _guard_inputs(quarantine: Path, names: Sequence[str]) -> None:
    real = os.path.realpath(quarantine)
    if any(name != "-" and os.path.realpath(name) == real for name in names):
        raise UsageError(f"the quarantine file {quarantine} is one of the files to read", hint="choose another name")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _quarantined(bad: BadRow) -> str:
    fields = {"source": bad.source, "line": bad.line, "reason": bad.reason, "raw": bad.raw}
    return json.dumps(fields, ensure_ascii=False) + "\n"
