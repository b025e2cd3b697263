"""Rows between delimiters, as RFC 4180 writes them: what the csv and tsv readers share.

Python's csv module is not used: it has one field limit for the whole process, does not say where an open quote
began, and forgets the line ends. A test holds this parser against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import source as limits
from tailorlm.data.rows import BadRow, Row, row_of
from tailorlm.data.source import Line, Source
from tailorlm.data.strict_json import StrictJson

DELIMITERS = (",", ";", "\t", "|")
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_LOOKED_AT = 100
_EVEN, _UNEVEN = (
    0.9,
    0.5,
)  # shares of records that fit the header: chosen above the first if no other is above the second


class Record(NamedTuple):
    """One record: the line on which it begins and ends, its fields, its text, and what is wrong with it (or None)."""

    line: int
    last_line: int
    fields: list[str]
    raw: str
    fault: str | None


def read_delimited(source: Source, own: str, *, may_be_plain: bool = False) -> Iterator[Row | BadRow]:
    """The rows below a header. own: the delimiter of the format, used unless another one was told or is evident.

    may_be_plain: in this format quotes can also be characters like any other, if the first lines show it.

    Raises TailorError for a header with empty or repeated names, for a delimiter that cannot be told, and for a quote
    that swallows other lines (where the rows begin again is then unknown, so no row count could be trusted).
    """
    delimiter = _delimiter(source, own)
    plain = may_be_plain and _quotes_are_plain(source.head_lines(), delimiter)
    if plain:
        source.notes.append(f"{source.name}: quotes are plain characters")
    records = _records(source.lines(), delimiter, source.name, plain=plain)
    columns: list[str] | None = None
    guarded: list[bool] = []
    for record in records:
        if len(record.fields) == 1 and not record.raw.strip(" \r\n") and (columns is None or len(columns) > 1):
            continue  # a line of blanks only; with a single column it would be a value
        if columns is None:
            columns, guarded = _unguarded_names(source, _header(source.name, record))
            continue
        fault = record.fault or _count_fault(record, columns, delimiter)
        if fault:
            yield BadRow(source.name, record.line, fault, record.raw.rstrip("\r\n"))
        else:
            fields = _unguarded(record.fields, guarded) if any(guarded) else record.fields
            yield row_of(columns, fields, source.name, record.line)
    if columns is None:
        raise TailorError(f"{source.name} holds blank lines only", allowed="a header and rows below it")


def _unguarded_names(source: Source, columns: list[str]) -> tuple[list[str], list[bool]]:
    """Names without the apostrophe by which `tailor prep` marks columns guarded against spreadsheets, and which had it."""
    names = [name.removeprefix("'") for name in columns]
    guarded = [name != full for name, full in zip(names, columns, strict=True)]
    if not any(guarded) or len(set(names)) < len(names) or not all(names):
        return columns, [False] * len(columns)
    marked = ", ".join(name for name, guard in zip(names, guarded, strict=True) if guard)
    source.notes.append(
        f"{source.name}: an apostrophe against spreadsheets was taken off the column {marked} and its values"
    )
    return names, guarded


def _unguarded(fields: Sequence[str], guarded: Sequence[bool]) -> list[str]:
    return [f.removeprefix("'") if guard else f for f, guard in zip(fields, guarded, strict=True)]


def named_delimiter(given: str) -> str:
    """The delimiter a user named: one character, or one of the words tab, comma, semicolon, pipe."""
    delimiter = _NAMED.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UsageError(
            "the delimiter must be one character, and no quote or line end",
            got=repr(given),
            allowed=", ".join([*(repr(d) for d in DELIMITERS if d != "\t"), "tab", "or any other character"]),
        )
    return delimiter


def even_delimiters(lines: Iterable[str]) -> dict[str, float]:
    """The delimiters that split the first line in two or more, with the share of the later records that split alike.

    One record alone gives a share of 1.0: it agrees with itself.
    """
    looked_at = list(lines)
    shares = {}
    for delimiter in DELIMITERS:
        counts = _field_counts(looked_at, delimiter)
        if counts and counts[0] > 1:
            later = counts[1:] or counts
            shares[delimiter] = later.count(counts[0]) / len(later)
    return shares


def _field_counts(lines: Iterable[str], delimiter: str) -> list[int]:
    """How many fields each of the first records has; 0 where the quotes go wrong under this delimiter."""
    counts: list[int] = []
    parts = (Line(i, line, 0, True) for i, line in enumerate(lines, 1))
    try:
        for record in _records(parts, delimiter, ""):
            counts.append(0 if record.fault else len(record.fields))
            if len(counts) > _LOOKED_AT:
                break
    except TailorError:
        pass  # a quote that swallows lines: the records before it still count
    if len(counts) > 1 and not counts[-1]:
        counts.pop()  # what was looked at may end inside a record
    return counts


def _delimiter(source: Source, own: str) -> str:
    if source.delimiter is not None:
        return source.delimiter
    shares = even_delimiters(source.head_lines())
    if not shares or list(shares) == [own]:
        return own  # a single column, or nothing to choose between; rows that do not fit are told one by one
    best, *others = sorted(shares, key=lambda d: shares[d], reverse=True)
    rival = max((shares[d] for d in others), default=0.0)
    if shares[best] < _EVEN or rival > _UNEVEN:
        found = "' and '".join(shown(d) for d in shares)
        raise TailorError(
            f"{source.name}: the delimiter is not clear",
            got=f"'{found}' would split the first line, and the lines below do not settle it",
            hint=f"say which one it is, e.g. --delimiter '{shown(best)}'",
        )
    if best != own:
        source.notes.append(f"{source.name}: delimiter {shown(best)}")
    return best


def shown(delimiter: str) -> str:
    """A delimiter for messages: 'tab', or the character."""
    return "tab" if delimiter == "\t" else delimiter


def _header(name: str, record: Record) -> list[str]:
    where = f"{name}:{record.line}"
    if record.fault:
        raise TailorError(f"{where}: the header cannot be read: {record.fault}")
    names = record.fields
    if record.raw.startswith("{") and isinstance(StrictJson().line(record.raw), dict):
        raise TailorError(f"{where}: this is a JSON object, not a header", hint="pass --format jsonl")
    empty = [i for i, column in enumerate(names, 1) if not column.strip()]
    if empty:
        raise TailorError(
            f"{where}: column {empty[0]} of the header has no name",
            got=f"{len(names)} columns, {len(empty)} of them without a name",
            allowed="a first line that names every column",
            hint="name it; a nameless first column often is the index of pandas (write with index=False)",
        )
    twice = [column for column in dict.fromkeys(names) if names.count(column) > 1]
    if twice:
        raise TailorError(
            f"{where}: the header has the column {twice[0]!r} {names.count(twice[0])} times",
            allowed="every column name once",
            hint="rename one of them; if the file has no header, put one above the rows",
        )
    return names


def _count_fault(record: Record, columns: list[str], delimiter: str) -> str | None:
    have, need = len(record.fields), len(columns)
    if have == need:
        return None
    advice = f" (is a '{shown(delimiter)}' in a value not quoted?)" if have > need else ""
    return f"{have} field{'s' if have > 1 else ''}, but the header has {need}{advice}"


def _quotes_are_plain(lines: list[str], delimiter: str) -> bool:
    """Whether the first lines show that quotes are characters.

    They do when all lines split alike that way, and most fields that begin with a quote are not quoted as in RFC 4180.
    """
    split = [body.split(delimiter) for line in lines if (body := line.rstrip("\r\n"))]
    begun = [field for fields in split for field in fields if field.startswith('"')]
    proper = sum(len(f) > 1 and f.endswith('"') and '"' not in f[1:-1].replace('""', "") for f in begun)
    return len({len(fields) for fields in split}) == 1 and proper < len(begun) - proper


def _records(lines: Iterator[Line], delimiter: str, name: str, *, plain: bool = False) -> Iterator[Record]:
    """Records from lines, blank ones skipped. plain: quotes are characters.

    Raises TailorError for a quoting fault that runs over lines.
    """
    for first in lines:
        if first.fault:
            if not plain and (first.odd_quotes or ("\0" in first.text and first.text.count('"') % 2)):
                raise _swallowed(name, first.number, first.number, f"{first.fault}, with an open quote in it")
            yield Record(first.number, first.number, [], first.text, first.fault)
            continue
        body = first.text.rstrip("\r\n")
        if not body:
            continue
        if plain or '"' not in body:
            yield Record(first.number, first.number, body.split(delimiter), first.text, None)
            continue
        yield _quoted_record(first, lines, delimiter, name)


def _quoted_record(first: Line, lines: Iterator[Line], delimiter: str, name: str) -> Record:
    parser, line, raw, size = _Fields(delimiter), first, [first.text], first.size
    while not parser.feed(line.text):
        after = next(lines, None)
        if after is None:
            problem = f"the quote that opens field {len(parser.fields) + 1} is never closed"
            break
        line, size = after, size + after.size
        raw.append(line.text)
        if line.fault or size > limits.MAX_LINE_BYTES:
            problem = line.fault or f"the record is longer than {readable_size(limits.MAX_LINE_BYTES)}"
            raise _swallowed(name, first.number, line.number, problem)
    else:
        problem = parser.fault or ""
    if problem and line.number > first.number:
        raise _swallowed(name, first.number, line.number, problem)
    return Record(first.number, line.number, parser.fields, "".join(raw), problem or None)


def _swallowed(name: str, first: int, last: int, problem: str) -> TailorError:
    upto = f", running on to line {last}" if last > first else ""
    return TailorError(
        f"{name}:{first}: a quote opens in this record and goes wrong{upto}: {problem}",
        allowed='"…" around a value, and "" for a quote inside it',
        hint=f"close the quote of line {first}, or double it; --max-bad cannot help, how many rows it took is unknown",
    )


class _Fields:
    """The fields of one record with quotes, fed line by line."""

    def __init__(self, delimiter: str):
        self.fields: list[str] = []
        self.fault: str | None = None
        self._delimiter = delimiter
        self._pieces: list[str] = []
        self._inside = False  # a quoted field

    def feed(self, text: str) -> bool:
        """Take one more line, with its line end; whether the record ends on it."""
        at, end = 0, len(text.rstrip("\r\n"))
        while True:
            if not self._inside:
                if not text.startswith('"', at):
                    stop = text.find(self._delimiter, at, end)
                    self.fields.append(text[at : end if stop < 0 else stop])
                    if stop < 0:
                        return True
                    at = stop + 1
                    continue
                self._inside, at = True, at + 1
            after = self._quoted(text, at)
            if after < 0:
                return False
            if after >= end:
                return True
            if text[after] != self._delimiter:
                escaped = '; a quote inside a value is written ""' if text[after - 2 : after] == '\\"' else ""
                self.fault = f"text after the closing quote of field {len(self.fields)} (column {after + 1}){escaped}"
                return True
            at = after + 1

    def _quoted(self, text: str, at: int) -> int:
        """Read on inside quotes; where the text goes on behind the closing one, or -1 when it is not in this line."""
        while True:
            stop = text.find('"', at)
            if stop < 0:
                self._pieces.append(text[at:])
                return -1
            self._pieces.append(text[at:stop])
            if not text.startswith('"', stop + 1):
                break
            self._pieces.append('"')
            at = stop + 2
        self.fields.append("".join(self._pieces))
        self._pieces, self._inside = [], False
        return stop + 1
