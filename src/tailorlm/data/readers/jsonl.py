"""JSON Lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Line, Source
from tailorlm.data.strict_json import BLANKS, StrictJson, kind_of


def read_jsonl(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a JSON Lines file; strings exactly as written, numbers as numbers that keep their text.

    Blank lines are skipped. A line that is no object, holds a key twice, NaN, half a character, or is nested more than
    100 deep is a bad row. Raises TailorError when the file is JSON (an array, or one object over many lines).
    """
    parser = StrictJson()
    seen = False
    for line in source.lines():
        body, fault = line.text.rstrip("\r\n"), line.fault
        if not fault and (not body or body.isspace()) and not body.strip(BLANKS):
            continue
        if not seen:
            _refuse_json(source.name, line, body.strip(BLANKS))
        seen = True
        value: Any = None if fault else parser.line(body)
        reason = fault or _reason(value, parser, line)
        if reason is None:
            yield Row(value, source.name, line.number)
        else:
            yield BadRow(source.name, line.number, reason, body)
    if not seen:
        raise TailorError(f"{source.name} holds blank lines only", allowed="one JSON object a line")


def _reason(value: Any, parser: StrictJson, line: Line) -> str | None:
    if parser.faults:
        reason = "; ".join(parser.faults)
        if reason.startswith("not valid JSON") and not line.ended:
            reason += " (the last line has no line end: the file may be cut)"
        return reason
    if not isinstance(value, dict):
        return f"{kind_of(value)}, where one object a line is expected"
    return None if value else "an object without any key"


def _refuse_json(name: str, line: Line, body: str) -> None:
    if body.startswith("["):
        what = "this is JSON (an array), not JSON Lines (one object a line)"
    elif body == "{":
        what = "this is JSON over many lines, not JSON Lines (one object a line)"
    else:
        return
    raise TailorError(f"{name}:{line.number}: {what}", hint="pass --format json")
