"""One file (or standard input) as chunks, lines, one text (all in UTF-8) or bytes: what every reader is given.

Gzip and zstd are unpacked by their magic bytes, whatever the name. Lines are cut at `\\n`, `\\r\\n` and `\\r` alone, on bytes:
`str.splitlines` would also cut at U+2028 and its kin, which belong to the text.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from tailorlm.core.atomic import disk_errors, readable_size
from tailorlm.core.errors import TailorError, near_misses
from tailorlm.data.encoding import choose_codec, page_charset, refuse_binary, transcode, undecodable

MAX_LINE_BYTES = 16_000_000
"""A longer line (or CSV record, or JSON object) is a fault: no classifier reads sixteen million characters."""
HEAD_BYTES = 1 << 16
CHUNK_BYTES = 1 << 18
# Deflate cannot pack text much better than 1:1000, and real rows stay below 1:50: more is a bomb, not a data set.
MAX_EXPANSION = 200
FREE_EXPANSION_BYTES = 64_000_000
MAX_EXPANDED_BYTES = 64_000_000_000
_KEPT_OF_LONG_LINE = 1000


class Readable(Protocol):
    """Bytes that can be read on."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...


class Line(NamedTuple):
    """One physical line. number: from 1. text: with its line end; only the beginning when it is too long.

    size: bytes in UTF-8. ended: it has a line end. odd_quotes: an odd number of `"` in it (too long lines only).
    """

    number: int
    text: str
    size: int
    ended: bool
    odd_quotes: bool = False

    @property
    def fault(self) -> str | None:
        """Why no format can read this line, if so: too long, or a NUL byte in it."""
        if self.size > MAX_LINE_BYTES + 2:
            limit = readable_size(MAX_LINE_BYTES)
            return f"the line is {readable_size(self.size)} long (the limit is {limit}; only its beginning is kept)"
        if "\0" in self.text:
            return f"a NUL byte at column {self.text.index(chr(0)) + 1}"
        return None


class Source:
    """One opened input.

    name: as the user gave it, `<stdin>` for `-`. notes: what was decided about it so far; readers add theirs.
    encoding, delimiter: what the user told, or None. Raises TailorError for an encoding problem that shows at once.
    """

    def __init__(self, name: str, stream: Readable, *, encoding: str | None = None, delimiter: str | None = None):
        self.name, self.delimiter = name, delimiter
        self.notes: list[str] = []
        self._told = encoding
        self._plain: Readable | None = stream
        self._stream: Peekable = Peekable(_Guarded(name, stream))
        packing = next((p for p in _PACKINGS if self._stream.peek(4).startswith(p.magic)), None)
        if packing is not None:
            self._plain = None
            self._stream = Peekable(_Guarded(name, _Unpacked(name, self._stream, packing)))
        self.head = self._stream.peek(HEAD_BYTES)
        if not self.head:
            raise TailorError(f"{name} is empty (0 bytes)", hint="check that the file was written, or the pipe filled")

    def raw(self) -> Readable:
        """The unpacked bytes one after another, for readers of binary formats."""
        return self._stream

    @contextlib.contextmanager
    def file(self) -> Iterator[BinaryIO]:
        """The unpacked bytes as a file that can be searched through, for formats that begin at their end.

        A plain file is used as it is; what is packed, or comes through a pipe, is first written to a temporary file.
        """
        if isinstance(self._plain, io.FileIO):
            with open(self._plain.fileno(), "rb", closefd=False) as same:
                same.seek(0)
                yield same
            return
        with tempfile.TemporaryFile() as kept:
            with disk_errors(tempfile.gettempdir()):
                while chunk := self._stream.read(CHUNK_BYTES):
                    kept.write(chunk)
            kept.seek(0)
            yield kept

    def chunks(self, *, page: bool = False) -> Iterator[bytes]:
        """The text in UTF-8 without a byte-order mark; from a file in UTF-8 the bytes are not checked yet.

        page: it is a web page, which may name its encoding in a `<meta>`.
        """
        codec, skip, note = self._codec(page=page)
        if note:
            self.notes.append(note)
        self._stream.read(skip)
        chunks = iter(lambda: self._stream.read(CHUNK_BYTES), b"")
        yield from chunks if codec == "utf-8" else transcode(self.name, chunks, codec)

    def lines(self) -> Iterator[Line]:
        """The lines one by one; memory stays at one line. Raises TailorError at the first byte that is no text."""
        number, start, held = 1, 0, _Held()
        for piece in _pieces(self.chunks()):
            held.add(piece)
            if piece.endswith((b"\n", b"\r")):
                yield self._line(number, start, held, ended=True)
                number, start, held = number + 1, start + held.size, _Held()
        if held.size:
            yield self._line(number, start, held, ended=False)

    def text(self, *, page: bool = False) -> str:
        """The whole text at once, for formats that cannot be read line by line. page: as in `chunks`."""
        data = b"".join(self.chunks(page=page))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as exc:
            before = data[: exc.start]
            line = 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
            begin = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
            around = data[begin : exc.start + HEAD_BYTES]
            cut = exc.end == len(data) and exc.reason == "unexpected end of data"
            raise undecodable(self.name, line, exc.start, around, exc.start - begin, cut=cut) from None

    def head_lines(self) -> list[str]:
        """The complete lines at the beginning (faulty bytes replaced), to look at before anything is read."""
        codec, skip, _ = self._codec()
        text = self.head[skip:].decode(codec, errors="replace")
        lines = [line.decode() for line in text.encode("utf-8", "replace").splitlines(keepends=True)]
        complete = len(self.head) < HEAD_BYTES
        return lines if complete or len(lines) < 2 else lines[:-1]

    def _codec(self, *, page: bool = False) -> tuple[str, int, str | None]:
        refuse_binary(self.name, self.head, page=page)
        declared = page_charset(self.head) if page and self._told is None else None
        if declared is None:
            return choose_codec(self.name, self.head, self._told)
        codec, skip, _ = choose_codec(self.name, self.head, declared)
        return codec, skip, None if codec == "utf-8" else f"{self.name}: {declared} (as the page says of itself)"

    def _line(self, number: int, start: int, held: _Held, *, ended: bool) -> Line:
        if held.overlong:
            return Line(number, held.bytes().decode("utf-8", errors="ignore"), held.size, ended, held.quotes % 2 == 1)
        data = held.bytes()
        try:
            return Line(number, data.decode("utf-8"), held.size, ended)
        except UnicodeDecodeError as exc:
            cut = not ended and exc.reason == "unexpected end of data"
            raise undecodable(self.name, number, start + exc.start, data, exc.start, cut=cut) from None


@contextlib.contextmanager
def open_source(name: str, *, encoding: str | None = None, delimiter: str | None = None) -> Iterator[Source]:
    """Open a file, or standard input for '-', and close it afterwards.

    Raises TailorError for a file that is missing (with near misses), a folder, not a plain file, or not readable.
    """
    if name == "-":
        stream: Any = getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise TailorError("standard input gives text, not bytes, so its encoding is lost", hint="give a file name")
        yield Source("<stdin>", stream, encoding=encoding, delimiter=delimiter)
        return
    if not name:
        raise TailorError("the name of the file is empty", hint="name a file of rows, or - for standard input")
    path = home_path(name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise TailorError(f"{name} is a folder, not a file", hint="name its files")
        if not stat.S_ISREG(mode):
            raise TailorError(f"{name} is not a regular file (a pipe or a device)", hint=f"pipe it in: - < {name}")
        handle = path.open("rb", buffering=0)
    except (OSError, ValueError) as exc:
        raise _open_fault(name, path, exc) from exc
    with handle:
        yield Source(shown_name(name), handle, encoding=encoding, delimiter=delimiter)


def home_path(name: str) -> Path:
    """The path that a name means, `~` as the shell reads it; as it stands where there is no such home."""
    return Path(os.path.expanduser(name))


def shown_name(name: str) -> str:
    """A file's name as rows and messages carry it: bytes that are no UTF-8 become U+FFFD, which every format can hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Peekable:
    """Bytes whose beginning can be looked at before they are read; counts what it hands out."""

    def __init__(self, stream: Readable):
        self._stream, self._front = stream, b""
        self.count = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer at the end), which stay unread."""
        pieces, have = [self._front], len(self._front)
        while have < size and (more := self._stream.read(size - have)):
            pieces.append(more)
            have += len(more)
        self._front = b"".join(pieces)
        return self._front[:size]

    def read(self, size: int = CHUNK_BYTES, /) -> bytes:
        """Up to `size` bytes; empty at the end (and for size 0)."""
        if self._front:
            data, self._front = self._front[:size], self._front[size:]
        else:
            data = self._stream.read(size) if size else b""
        self.count += len(data)
        return data


class _Guarded:
    """A stream whose faults are told to the user with the name of the file."""

    def __init__(self, name: str, stream: Readable):
        self._name, self._stream = name, stream

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size) or b""
        except OSError as exc:
            raise TailorError(
                f"{self._name} cannot be read: {exc.strerror or exc}",
                hint="copy it to a disk of this machine and try again",
            ) from exc


class _Packing(NamedTuple):
    """A way of packing files. what: its name in messages. unpack: the tool by which a user unpacks or checks a file."""

    magic: bytes
    what: str
    opened: Callable[[str, Peekable], Readable]
    unpack: str
    check: str


class _Unpacked:
    """The content of a packed file, with a limit on how far a small file may swell."""

    def __init__(self, name: str, packed: Peekable, packing: _Packing):
        self._name, self._packed, self._packing = name, packed, packing
        self._file = packing.opened(name, packed)
        self._size = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._file.read(size)
        except (EOFError, zlib.error, OSError) as exc:
            what = "" if self._packing.what == "gzip" else f" is packed with {self._packing.what} and"
            raise TailorError(
                f"{self._name}{what} cannot be unpacked: the {self._packing.what} data is cut or damaged",
                got=str(exc),
                hint=f"fetch the file again, and check it with: {self._packing.check} {self._name}",
            ) from exc
        self._size += len(data)
        swollen = self._size > max(FREE_EXPANSION_BYTES, MAX_EXPANSION * self._packed.count)
        if swollen or self._size > MAX_EXPANDED_BYTES:
            limit = (
                f"at most {MAX_EXPANSION} times the packed size beyond {readable_size(FREE_EXPANSION_BYTES)}, "
                f"and at most {readable_size(MAX_EXPANDED_BYTES)}"
            )
            raise TailorError(
                f"{self._name} swells too far when it is unpacked",
                got=f"{readable_size(self._size)} and more from {readable_size(self._packed.count)} of "
                f"{self._packing.what} data",
                allowed=limit,
                hint=f"if you trust the file, unpack it first: {self._packing.unpack}",
            )
        return data


def _open_gzip(name: str, packed: Peekable) -> Readable:
    return gzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[call-overload,no-any-return]  # never seeks back


def _open_zstd(name: str, packed: Peekable) -> Readable:
    try:
        import pyarrow
    except ImportError as exc:
        raise TailorError(
            f"{name} is packed with zstd, and the package 'pyarrow', which unpacks it, is not installed",
            hint="pip install 'tailorlm[hub]', or unpack it first: unzstd",
        ) from exc
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(_AsFile(packed), mode="r"), "zstd")  # type: ignore[no-any-return]


class _AsFile:
    """What pyarrow asks of a file beyond `read`."""

    closed = False

    def __init__(self, packed: Peekable):
        self.read = packed.read

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever opened the file closes it."""


_PACKINGS = (
    _Packing(b"\x1f\x8b", "gzip", _open_gzip, "gunzip", "gzip -t"),
    _Packing(b"\x28\xb5\x2f\xfd", "zstd", _open_zstd, "unzstd", "zstd -t"),
)


class _Held:
    """The pieces of the line that is being gathered; of a line beyond the limit only the beginning is kept."""

    __slots__ = ("_pieces", "overlong", "quotes", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = self.quotes = 0
        self.overlong = False

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.overlong:
            self.quotes += piece.count(b'"')
            return
        self._pieces.append(piece)
        if self.size > MAX_LINE_BYTES + 2:  # the line end is not counted
            self.overlong = True
            self.quotes = sum(p.count(b'"') for p in self._pieces)
            self._pieces = [self.bytes()[:_KEPT_OF_LONG_LINE]]

    def bytes(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces that end with a line end or with their chunk; a `\\r\\n` is never torn apart between two chunks."""
    carried = b""
    for chunk in chunks:
        data = carried + chunk
        carried = b""
        if data.endswith(b"\r"):
            data, carried = data[:-1], b"\r"
        yield from data.splitlines(keepends=True)
    if carried:
        yield carried


def _open_fault(name: str, path: Path, exc: OSError | ValueError) -> TailorError:
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        if not path.parent.is_dir():
            what = f"there is no file {name}: its folder {path.parent} does not exist"
            return TailorError(
                what, hint="check the path; a page of the web is downloaded first, a set of the hub is hub:owner/name"
            )
        near = near_misses(path.name, (p.name for p in path.parent.iterdir()))
        return TailorError(
            f"there is no file {name or repr(name)}",
            hint=f"did you mean {' or '.join(str(path.parent / n) for n in near)}?" if near else f"ls {path.parent}",
        )
    if isinstance(exc, PermissionError):
        return TailorError(f"{name} may not be read (no permission)", hint=f"chmod u+r {name}, or read it as its owner")
    reason = exc.strerror if isinstance(exc, OSError) else str(exc)
    return TailorError(f"{name!r} cannot be opened: {reason or exc}", hint="name a file of rows, a folder or a pattern")
