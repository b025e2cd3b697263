"""Office documents (DOCX, ODT) as they are made: a zip of XML files, opened with limits on all that could go wrong.

Nothing is unpacked to the disk; the XML goes through expat piece by piece, and any DOCTYPE is refused, so that no entity
can be declared, expanded or fetched.
"""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Protocol
from xml.parsers import expat

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError
from tailorlm.data.source import CHUNK_BYTES, Source

MAX_ENTRIES = 20_000
MAX_EXPANSION = 200
"""Times the packed size: XML of long tables packs to a fiftieth, what packs better is no document."""
FREE_EXPANSION_BYTES = 4_000_000
MAX_XML_BYTES = 1_000_000_000
MAX_DEPTH = 1000


class Handler(Protocol):
    """Follows the elements of one XML file."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; names without their namespace."""
        ...

    def end(self, name: str) -> None:
        """An element ends."""
        ...

    def data(self, text: str) -> None:
        """Text inside the innermost open element."""
        ...


class Quiet:
    """A handler that does nothing yet."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Text inside it."""


class Title(Quiet):
    """The title among the properties of a document."""

    def __init__(self) -> None:
        self.text = ""
        self._inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the properties."""
        self._inside = name == "title"

    def end(self, name: str) -> None:
        """It ends."""
        self._inside = False

    def data(self, text: str) -> None:
        """Its text."""
        self.text += text if self._inside else ""


class Office:
    """The XML files in one document."""

    def __init__(self, name: str, kind: str, archive: zipfile.ZipFile):
        self._name, self._kind, self._archive = name, kind, archive
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise self._no_document(f"{len(entries):,} files in it", allowed=f"at most {MAX_ENTRIES:,}")
        self._entries = {entry.filename: entry for entry in entries}

    def __contains__(self, entry: str) -> bool:
        return entry in self._entries

    def parse(self, entry: str, handler: Handler) -> None:
        """Let `handler` follow the XML file `entry`. Raises TailorError when it is missing, damaged or swells too far."""
        if entry not in self._entries:
            raise self._no_document(f"no {entry} in it")
        info = self._entries[entry]
        if info.flag_bits & 0x1:
            raise TailorError(f"{self._name} is protected by a password", hint="save it without one")
        parser = _parser(handler, self._name)
        try:
            with self._archive.open(info) as file:
                for chunk in self._limited(file, info):
                    parser.Parse(chunk, False)
                parser.Parse(b"", True)
        except expat.ExpatError as exc:
            words = expat.ErrorString(exc.code)
            raise self._no_document(f"{entry}, line {exc.lineno}: {words}") from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as exc:
            raise self._no_document(str(exc)[:200]) from exc

    def _limited(self, file: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
        size = 0
        most = min(MAX_XML_BYTES, max(FREE_EXPANSION_BYTES, MAX_EXPANSION * info.compress_size))
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            if size > most:
                raise TailorError(
                    f"{self._name} swells too far when it is unpacked",
                    got=f"{readable_size(size)} and more from {readable_size(info.compress_size)} in {info.filename}",
                    allowed=f"at most {MAX_EXPANSION} times the packed size beyond {readable_size(FREE_EXPANSION_BYTES)}",
                    hint="if you trust the file, save it as text",
                )
            yield chunk

    def _no_document(self, got: str, *, allowed: str | None = None) -> TailorError:
        return TailorError(
            f"{self._name} is no {self._kind} document that can be read",
            got=got,
            allowed=allowed,
            hint="open it in the program that made it and save it again",
        )


@contextlib.contextmanager
def open_office(source: Source, kind: str) -> Iterator[Office]:
    """The document in `source`. kind: 'DOCX' or 'ODT', for messages. Raises TailorError when it is no zip archive."""
    if source.head.startswith(b"\xd0\xcf\x11\xe0"):
        raise TailorError(
            f"{source.name} is an old Office file, or one that is protected by a password, not {kind}",
            hint=f"save it as {kind} without a password",
        )
    with source.file() as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
            raise TailorError(
                f"{source.name} is no {kind} document, or it is cut", got=str(exc)[:200], hint="fetch the file again"
            ) from exc
        with archive:
            yield Office(source.name, kind, archive)


def _parser(handler: Handler, name: str) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def start(element: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise TailorError(
                f"{name} is nested more than {MAX_DEPTH} deep: no program writes that", hint="save it as text"
            )
        handler.start(_local(element), {_local(key): value for key, value in attributes.items()})

    def end(element: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(_local(element))

    def refuse(*_: object) -> None:
        raise TailorError(
            f"{name} declares a DOCTYPE, which no office document does",
            hint="it may be an attack (entities that swell); save it again from the program that made it",
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = handler.data
    parser.StartDoctypeDeclHandler = refuse
    return parser


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
