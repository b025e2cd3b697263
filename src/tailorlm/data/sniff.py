"""The format of a file: by its extension, else by what its first lines are, and then with the evidence."""

from __future__ import annotations

import json
import re
from pathlib import PurePath

from tailorlm.core.errors import TailorError
from tailorlm.data.delimited import even_delimiters, shown
from tailorlm.data.readers import ALSO, READERS
from tailorlm.data.source import HEAD_BYTES, Source
from tailorlm.data.strict_json import BLANKS, StrictJson

_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"%PDF-", "pdf"))
_PACKED = ("gz", "zst", "zstd")
# The extension of tables and of prose alike: alone it decides nothing.
_ANY_TEXT = "txt"
_LONG_LINE = 300


def format_of(source: Source, *, found: bool = False) -> str:
    """The name of the reader for `source`. When the content decided, a note says by what evidence.

    found: it was found in a folder or by a pattern; there a `.txt` is a document, for prose cannot be told from a table.
    Raises TailorError (pass --format) when the content fits no format, or two.
    """
    by_name = format_by_name(source.name)
    if by_name == "json" and _is_squad(source):
        source.notes.append(
            f"{source.name}: read as squad (paragraphs with questions; --format json takes it as it is)"
        )
        return "squad"
    if by_name is not None and (by_name != _ANY_TEXT or found):
        return by_name
    magic = next((kind for magic, kind in _MAGIC if source.head.startswith(magic)), None)
    if magic is not None:
        source.notes.append(f"{source.name}: read as {magic} (by its first bytes)")
        return magic
    lines = [line for line in source.head_lines() if line.strip(BLANKS)]
    return _by_content(source, _as_json(source, lines) or _as_delimited(source, lines) or _as_prose(source, lines))


def format_by_name(name: str) -> str | None:
    """The format that the extension names (`rows.jsonl.gz` -> jsonl), or None when it names none."""
    suffixes = [s[1:].lower() for s in PurePath(name).suffixes]
    if suffixes[-1:] and suffixes[-1] in _PACKED:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    last = ALSO.get(last, last)
    return last if last in READERS else None


def _by_content(source: Source, found: list[tuple[str, str]]) -> str:
    if len(found) == 1:
        name, evidence = found[0]
        source.notes.append(f"{source.name}: read as {name} ({evidence})")
        return name
    hint = f"--format {found[0][0] if found else 'csv'}"
    if not found and format_by_name(source.name) == _ANY_TEXT:
        hint = "--format txt (the file is one document) or --format lines (a text a line)"
    if len({name for name, _ in found}) == 1:  # the format is plain, its delimiter is not
        hint += " --delimiter with the right one"
    raise TailorError(
        f"{source.name}: the format is not clear from the name or the content",
        got="; ".join(f"{name}: {evidence}" for name, evidence in found) or "nothing in its first lines decides it",
        allowed=", ".join(READERS),
        hint=f"say which one it is, e.g. {hint}",
    )


def _as_json(source: Source, lines: list[str]) -> list[tuple[str, str]]:
    """The formats that fit text which begins like JSON (none: it does not), each with the evidence."""
    first = lines[0].strip(BLANKS) if lines else ""
    if first.startswith("["):
        inner = "".join(lines).strip(BLANKS)[1:].lstrip(BLANKS)
        return [("json", "it begins with an array of objects")] if inner.startswith("{") else []
    if not first.startswith("{"):
        return []
    value = StrictJson().line(first)
    if not isinstance(value, dict):
        if len(lines) == 1 and len(source.head) >= HEAD_BYTES:  # a line longer than what can be looked at
            return [("jsonl", "one very long line"), ("json", "one very long object")]
        return [("json", "it begins with an object over several lines")] if _opens_object(lines) else []
    if len(lines) == 1 and any(isinstance(v, list) and v and isinstance(v[0], dict) for v in value.values()):
        return [("json", "one object with a list of objects"), ("jsonl", "one line with an object")]
    return [("jsonl", "the first line is a JSON object")]


def _opens_object(lines: list[str]) -> bool:
    """Whether the text, and not its first line alone, begins like a JSON object: `{` and then a key in quotes."""
    inner = "".join(lines).strip(BLANKS)[1:].lstrip(BLANKS)
    try:
        _, end = json.JSONDecoder().raw_decode(inner)
    except (ValueError, RecursionError):
        return False
    return inner.startswith('"') and inner[end:].lstrip(BLANKS).startswith(":")


def _as_delimited(source: Source, lines: list[str]) -> list[tuple[str, str]]:
    """The formats whose delimiter gives all of the first records the same count of fields, two or more."""
    if source.delimiter is not None:
        return [("csv", f"--delimiter {shown(source.delimiter)} was given")]
    if len(lines) < 2:  # one line agrees with itself under any delimiter
        return []
    even = [d for d, share in even_delimiters(lines).items() if share == 1.0]
    even = [d for d in even if not _is_prose(lines[0].split(d))]
    return [("tsv" if d == "\t" else "csv", f"'{shown(d)}' splits the first lines alike") for d in even]


def _is_prose(cells: list[str]) -> bool:
    """Whether the would-be names of columns are parts of a sentence."""
    return any(len(cell) > 100 or cell.rstrip().endswith((".", "!", "?")) for cell in cells)


def _as_prose(source: Source, lines: list[str]) -> list[tuple[str, str]]:
    """A `.txt` is a document where it shows paragraphs; short lines below one another could also be a text each."""
    if format_by_name(source.name) != _ANY_TEXT or not lines or lines[0].lstrip(BLANKS).startswith(("{", "[")):
        return []
    if any(len(line) > _LONG_LINE for line in lines):
        return [(_ANY_TEXT, "one document: it has lines as long as paragraphs")]
    whole = source.head_lines()
    first = next(i for i, line in enumerate(whole) if line.strip(BLANKS))
    last = max(i for i, line in enumerate(whole) if line.strip(BLANKS))
    apart = any(not line.strip(BLANKS) for line in whole[first:last])
    return [(_ANY_TEXT, "one document: blank lines part its paragraphs")] if apart else []


def _is_squad(source: Source) -> bool:
    """Whether a JSON text begins like a question-answering set in the form of SQuAD; quotes in its strings are escaped."""
    head = source.head.decode("utf-8", errors="replace")
    keys = ("data", "paragraphs", "qas", "context")
    return head.lstrip("\ufeff" + BLANKS).startswith("{") and all(
        re.search(rf'(?<!\\)"{key}"[ \t\r\n]*:', head) for key in keys
    )
