"""Documents from the files of the user: one a file, or one a row of a table; what cannot be read is set aside and counted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import CheckError, UsageError, near_misses
from tailorlm.data.rows import BadRow, Row, as_text
from tailorlm.data.stream import stream

SHOWN = 10
_ALL = 1 << 60
# How the readers begin the reason for a file in which nothing is written.
_NOTHING = ("is empty", "holds no text")


class ReadSettings(Settings):
    """Which files are read, and how."""

    word: ClassVar[str] = "the reading of documents"

    text: str = setting("text", help="of tables (csv, jsonl, ...): the column that holds the document", min_length=1)
    title: str = setting("title", help="of tables: the column of its title, where there is one", min_length=1)
    id: str | None = setting(None, help="of tables: a column that names each document; file:line where there is none")
    format: str | None = setting(None, help="of the files, where name and content do not tell")
    encoding: str | None = setting(None, help="of the files where it is not UTF-8, e.g. cp1252")
    max_bad: int = setting(0, ge=0, help="documents that cannot be read, or are empty, set aside before it stops")


@dataclass(frozen=True)
class Document:
    """One document. name: unique in an index. pages: where each page of a PDF begins in the text, else None."""

    name: str
    text: str
    title: str
    pages: tuple[int, ...] | None = None

    @property
    def sha256(self) -> str:
        """sha256 (hex) over text and title: equal ones need no new passages."""
        return hashlib.sha256(f"{self.title}\0{self.text}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Aside:
    """What was set aside while reading: files without text, files that cannot be read; `file:line: reason` each."""

    empty: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.empty) + len(self.unreadable)


def read_documents(paths: Sequence[str], settings: ReadSettings, aside: Aside) -> Iterator[Document]:
    """The documents of files, folders and patterns, in order; `aside` is filled on the way.

    A text, Markdown, HTML, PDF, DOCX or ODT file is one document, named by its path below the folder that was given (that folder's
    name first); of a table every row is one, named by the id column or file:line. Raises CheckError when more documents than
    `max_bad` are empty or unreadable (told apart, with file and reason), when none is left, and for a name that stands twice;
    UsageError for a table without the text column; TailorError for a folder without files.
    """
    rows = stream(list(paths), format=settings.format, encoding=settings.encoding, max_bad=_ALL, documents=True)
    roots = [os.path.expanduser(path) for path in paths]
    seen: dict[str, str] = {}
    fault: CheckError | None = None
    try:
        for row in rows:
            document = _document(row, settings, roots)
            if isinstance(document, str):
                aside.unreadable.append(f"{row.where}: {document}")
                continue
            if document is None:
                aside.empty.append(f"{row.where}: no text in the column '{settings.text}'")
                continue
            if document.name in seen:
                raise CheckError(
                    f"two documents are called '{document.name}'",
                    got=f"{seen[document.name]} and {row.where}",
                    hint="rename one, or name the folder above both; of tables give --id the column that names each",
                )
            seen[document.name] = row.where
            yield document
    except CheckError as error:
        if seen or not rows.bad_count:
            raise
        fault = error  # no row at all: said below, with what was wrong told apart
    for bad in rows.bad:
        (aside.empty if _is_empty(bad) else aside.unreadable).append(str(bad))
    aside.notes += rows.notes
    if len(aside) > settings.max_bad or not seen:
        raise _too_bad(aside, len(seen), settings.max_bad) from fault


def _document(row: Row, settings: ReadSettings, roots: Sequence[str]) -> Document | str | None:
    """The document of a row, None where its text is missing or blank, or why it has none."""
    values = row.values
    if values.get("source") == row.source and "text" in values and "title" in values:
        pages = values.get("pages")
        return Document(
            _name(row.source, roots), values["text"], values["title"], tuple(pages) if isinstance(pages, list) else None
        )
    if settings.text not in values:
        near = near_misses(settings.text, values)
        raise UsageError(
            f"{row.where}: there is no column '{settings.text}' that could hold the document",
            got=f"columns: {', '.join(values)}",
            hint=f"--text {near[0] if near else next(iter(values), 'COLUMN')}",
        )
    text = values[settings.text]
    if isinstance(text, list | dict):
        return f"a list or object in the column '{settings.text}'"
    if text is None or not as_text(text).strip():
        return None
    name = _name(row.source, roots) + f":{row.line}" if settings.id is None else _id(row, settings.id)
    title = values.get(settings.title)
    return Document(name, as_text(text), as_text(title).strip() if _scalar(title) else "")


def _id(row: Row, column: str) -> str:
    if not _scalar(row.values.get(column)) or not as_text(row.values[column]).strip():
        raise CheckError(f"{row.where} has no value in the id column '{column}'", hint="mend it, or leave --id out")
    return as_text(row.values[column]).strip()


def _scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, list | dict)


def _name(source: str, roots: Sequence[str]) -> str:
    """`guide/setup.md` for /home/me/guide/setup.md where /home/me/guide was given: the same from wherever it is read."""
    real = os.path.abspath(os.path.expanduser(source))
    for root in roots:
        if os.path.isdir(root) and real.startswith(os.path.join(os.path.abspath(root), "")):
            return PurePath(os.path.relpath(real, os.path.dirname(os.path.abspath(root)))).as_posix()
    inside = os.path.relpath(real)
    return PurePath(os.path.basename(real) if inside.startswith("..") else inside).as_posix()


def _is_empty(bad: BadRow) -> bool:
    return bad.reason.startswith(_NOTHING)


def _too_bad(aside: Aside, good: int, allowed: int) -> CheckError:
    faults = [*aside.unreadable, *aside.empty]
    listed = faults[:SHOWN] + ([f"... and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else [])
    mend = "mend them or take them out" + (f", or set them aside with --max-bad {len(faults)}" if good else "")
    counts = f"{len(aside.unreadable)} unreadable, {len(aside.empty)} empty"
    head = f"{len(faults):,} document{'' if len(faults) == 1 else 's'} cannot be indexed ({counts})"
    return CheckError(
        "\n  ".join([head, *listed]), got=f"{good:,} could be read", allowed=f"at most {allowed} set aside", hint=mend
    )
