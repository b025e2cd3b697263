"""The format of a file: by its extension, else by what its first lines are, and then with the evidence."""

from __future__ import annotations

import json
from pathlib import PurePath

from tailorlm.core.errors import TailorError
from tailorlm.data.delimited import even_delimiters, shown
from tailorlm.data.readers import ALSO, READERS
from tailorlm.data.source import HEAD_BYTES, Source
from tailorlm.data.strict_json import BLANKS, StrictJson


def format_of(source: Source) -> str:
    """The name of the reader for `source`. When the content decided, a note says by what evidence.

    Raises TailorError (pass --format) when the content fits no format, or two.
    """
    by_name = _by_extension(source.name)
    if by_name is not None:
        return by_name
    lines = [line for line in source.head_lines() if line.strip(BLANKS)]
    found = _as_json(source, lines) or _as_delimited(source, lines)
    if len(found) == 1:
        name, evidence = found[0]
        source.notes.append(f"{source.name}: read as {name} ({evidence})")
        return name
    hint = f"--format {found[0][0] if found else 'csv'}"
    if len({name for name, _ in found}) == 1:  # the format is plain, its delimiter is not
        hint += " --delimiter with the right one"
    raise TailorError(
        f"{source.name}: the format is not clear from the name or the content",
        got="; ".join(f"{name}: {evidence}" for name, evidence in found) or "nothing in its first lines decides it",
        allowed=", ".join(READERS),
        hint=f"say which one it is, e.g. {hint}",
    )


def _by_extension(name: str) -> str | None:
    suffixes = [s[1:].lower() for s in PurePath(name).suffixes]
    if suffixes[-1:] == ["gz"]:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    last = ALSO.get(last, last)
    return last if last in READERS else None


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
    return [("tsv" if d == "\t" else "csv", f"'{shown(d)}' splits the first lines alike") for d in even]
