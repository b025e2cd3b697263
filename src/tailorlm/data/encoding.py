"""From bytes of any encoding to UTF-8, never by a guess.

UTF-8 is read as it is, UTF-16 and UTF-32 where a byte-order mark says so, everything else only when the user
named it. What cannot be decoded is refused with its place and the encodings that would read it.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

from tailorlm.core.errors import TailorError, UsageError, near_misses

# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le", "UTF-32"),
    (b"\x00\x00\xfe\xff", "utf-32-be", "UTF-32"),
    (b"\xff\xfe", "utf-16-le", "UTF-16"),
    (b"\xfe\xff", "utf-16-be", "UTF-16"),
    (b"\xef\xbb\xbf", "utf-8", "UTF-8"),
)
# Encodings of names and parts of names, which no file is written in, and one that refuses everything.
_OF_NO_FILE = frozenset({"idna", "punycode", "undefined"})
_CANDIDATES = ("utf-8", "cp1252", "latin-1", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr", "utf-16-le")
_ENCODING_HINT = ", ".join(("utf-8", "cp1252", "latin-1", "utf-16", "shift_jis", "gb18030"))

_PAGE = "a web page"
_BINARIES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "save a sheet as CSV; a document: --format docx (or odt)"),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "save a sheet as CSV, a document as DOCX"),
    (b"PAR1", "a Parquet file", "--format parquet"),
    (b"ARROW1", "an Arrow file", "--format arrow"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "--format pdf"),
    (b"BZh", "compressed with bzip2", "unpack it first (bunzip2), or pack it with gzip"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first (unxz), or pack it with gzip"),
    (b"<!doctype html", _PAGE, "download the file itself, not the page that shows it (its text: --format html)"),
    (b"<html", _PAGE, "download the file itself, not the page that shows it (its text: --format html)"),
)
# What browsers read where a page says these.
_PAGES_MEAN = {"iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252"}
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,40})", re.IGNORECASE)


def refuse_binary(name: str, head: bytes, *, page: bool = False) -> None:
    """Raise TailorError when the first bytes say that the file is no text at all (a workbook, an archive, ...).

    page: a web page is what is asked for.
    """
    start = head[:16].lower()
    for magic, what, hint in _BINARIES:
        if start.startswith(magic.lower()) and not (page and what == _PAGE):
            raise TailorError(f"{name} is {what}, not a file of rows in text", hint=hint)
    if head[257:262] == b"ustar":
        raise TailorError(f"{name} is a tar archive, not a file of rows in text", hint="unpack it first: tar -xf")


def choose_codec(name: str, head: bytes, given: str | None) -> tuple[str, int, str | None]:
    """The codec of a file from its first bytes: (codec, length of its byte-order mark, note or None).

    given: the encoding that the user named, which is used then. Raises TailorError when the mark contradicts it, or
    when the file looks like UTF-16 without a mark; UsageError for an encoding that does not exist.
    """
    mark = next((m for m in _MARKS if head.startswith(m[0])), None)
    if given is not None:
        return _as_told(name, head, given, mark)
    if mark is not None:
        note = None if mark[1] == "utf-8" else f"{name}: {mark[2]} (byte-order mark)"
        return mark[1], len(mark[0]), note
    _refuse_unmarked_wide(name, head)
    return "utf-8", 0, None


def page_charset(head: bytes) -> str | None:
    """The encoding that a web page names in its first kilobytes, as browsers take it; None when it names none we know.

    UTF-16 is never meant there (its `<meta>` could not have been read), and UTF-8 needs no naming.
    """
    found = _CHARSET.search(head[:4096])
    if found is None or any(head.startswith(mark) for mark, _, _ in _MARKS):
        return None
    named = found[1].decode("ascii").lower()
    with contextlib.suppress(UsageError):
        if _family(text_codec(named)) not in ("utf-8", "utf-16", "utf-32"):
            return _PAGES_MEAN.get(named, named)
    return None


def _as_told(name: str, head: bytes, given: str, mark: tuple[bytes, str, str] | None) -> tuple[str, int, str | None]:
    codec = text_codec(given)
    if mark is not None:
        if _family(codec) != _family(mark[1]):
            raise TailorError(
                f"{name} begins with the byte-order mark of {mark[2]}, but --encoding says {given}",
                hint=f"leave --encoding out (several files: read the {mark[2]} ones on their own)",
            )
        return mark[1], len(mark[0]), None if mark[1] == "utf-8" else f"{name}: {mark[2]} (byte-order mark)"
    if _family(codec) == "utf-8":
        return "utf-8", 0, None
    doubt = "; its first bytes would also be valid UTF-8, check the accents" if _is_wide_utf8(head) else ""
    return codec, 0, f"{name}: {given} (as told by --encoding{doubt})"


def text_codec(given: str) -> str:
    """The canonical name of a text encoding; UsageError with near misses when there is none of that name."""
    try:
        codec = codecs.lookup(given).name
        if codec in _OF_NO_FILE:
            raise LookupError
        with contextlib.suppress(UnicodeError):  # one byte may be too few
            b"a".decode(codec)  # refuses, by LookupError, the codecs that are not for text (base64, zlib, rot13)
    except (LookupError, ValueError):
        from encodings.aliases import aliases

        near = near_misses(given, {*aliases, *aliases.values()})
        raise UsageError(
            f"there is no text encoding called '{given}'",
            allowed=f"{_ENCODING_HINT}, or another one that Python knows",
            hint=f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None,
        ) from None
    return codec


def transcode(name: str, chunks: Iterable[bytes], codec: str) -> Iterator[bytes]:
    """The same text as UTF-8, chunk by chunk. Raises TailorError with file, line and byte where `codec` cannot read."""
    decoder = codecs.getincrementaldecoder(codec)(errors="strict")
    line, fed, after_return = 1, 0, False
    for chunk, last in _marking_last(chunks):
        state = decoder.getstate()
        try:
            text = decoder.decode(chunk, last)
            yield text.encode("utf-8")
        except UnicodeDecodeError as exc:
            if last:
                raise TailorError(
                    f"{name}:{line}: the file ends inside a character of {codec}",
                    hint="it may be cut: fetch or write it again; or it is in another encoding",
                ) from None
            at = fed + len(chunk) - len(exc.object) + exc.start
            decoder.setstate(state)
            line += _line_ends(decoder.decode(chunk[: max(at - fed, 0)], False))
            raise undecodable(name, line, at, exc.object, exc.start, codec=codec) from None
        except UnicodeError as exc:  # a codec that decodes to lone halves of characters, or gives no position
            raise TailorError(
                f"{name}:{line}: {codec} cannot read this file: {exc}",
                hint="leave --encoding out (UTF-8, or what a byte-order mark says), or name another one",
            ) from None
        line += _line_ends(text) - (after_return and text.startswith("\n"))
        after_return = text.endswith("\r") if text else after_return
        fed += len(chunk)


def undecodable(
    name: str, line: int, at: int, data: bytes, start: int, *, codec: str = "UTF-8", cut: bool = False
) -> TailorError:
    """The error for a byte that is not valid in `codec`: its place, and which encodings would read it, and as what.

    at: position of the byte in the file, from 0. data: the bytes around (best: the line), with the byte at `start`.
    cut: the file ends in the middle of this character.
    """
    window = data[: start + 4096]
    run = data[start : start + 12]
    run = run[: next((i for i, byte in enumerate(run) if i and byte < 0x80), len(run))]
    whole = len(window) == len(data)
    found = ((enc, _reading(window, run, enc, whole=whole)) for enc in _CANDIDATES if enc != codec.lower())
    readings = [(enc, shown) for enc, shown in found if shown is not None]
    listed = ", ".join(f"{enc} ('{shown}')" if shown else enc for enc, shown in readings)
    first = readings[0][0] if readings else "<name>"
    hint = f"say which encoding it is, e.g. --encoding {first}"
    if listed:
        hint += f"; these would read it: {listed}"
    if cut:
        hint = f"the file ends inside a character: it may be cut, fetch it again; otherwise {hint}"
    return TailorError(
        f"{name}:{line}: byte 0x{data[start]:02X} (byte {at + 1:,} of the text) is not {codec}",
        allowed="UTF-8, or UTF-16/UTF-32 with a byte-order mark" if codec == "UTF-8" else None,
        hint=hint,
    )


def _reading(window: bytes, run: bytes, encoding: str, *, whole: bool) -> str | None:
    """How `encoding` reads the faulty bytes ('' when that cannot be shown); None when it cannot read them either."""
    try:
        # UTF-16 reads almost anything: only plausible when its letters come with the NULs of plain text.
        if encoding.startswith("utf-16") and window.count(0) < len(window) // 4:
            return None
        text = window.decode(encoding)
    except UnicodeDecodeError as exc:
        if whole or exc.end < len(window) - 4:  # a cut window may end inside a character, nothing else
            return None
        text = ""
    if any(c not in "\t\r\n" and unicodedata.category(c) == "Cc" for c in text):
        return None  # latin-1 turns every byte into something; a control character is no text
    shown = run.decode(encoding, errors="ignore")
    return shown[:8] if shown.isprintable() else ""


def _refuse_unmarked_wide(name: str, head: bytes) -> None:
    """Text in UTF-16 or UTF-32 has a NUL in every second byte, or in three of four."""
    if len(head) < 4:
        return
    even = head[0::2].count(0) / len(head[0::2])
    odd = head[1::2].count(0) / len(head[1::2])
    guess = None
    if odd > 0.4 and even > 0.4:
        guess = "utf-32-le" if head[0] else "utf-32-be"
    elif odd > 0.4 and even < 0.05:
        guess = "utf-16-le"
    elif even > 0.4 and odd < 0.05:
        guess = "utf-16-be"
    if guess is not None:
        raise TailorError(
            f"{name}:1: byte 0x00 (byte {head.index(0) + 1} of the text): this looks like {guess[:6].upper()} "
            "without a byte-order mark",
            allowed="UTF-8, or UTF-16/UTF-32 with a byte-order mark",
            hint=f"if it is, pass --encoding {guess}",
        )


def _is_wide_utf8(head: bytes) -> bool:
    if head.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, False)
    except UnicodeDecodeError:
        return False
    return True


def _family(codec: str) -> str:
    return next((f for f in ("utf-8", "utf-16", "utf-32") if codec.replace("_", "-").startswith(f)), codec)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _marking_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True
