"""One JSON text read piece by piece, so that each row knows its line: what the json and squad readers share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError
from tailorlm.data import source as limits
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.strict_json import StrictJson, kind_of, plain_message

_BLANK = re.compile(r"[ \t\r\n]*")


class JsonDocument:
    """A JSON text and how far it has been read."""

    def __init__(self, name: str, text: str):
        self._name, self._text, self._at = name, text, 0
        self._parser = StrictJson()
        self._line, self._counted = 1, 0
        nul = text.find("\0")
        if nul >= 0:
            self._at = nul
            raise self.broken("a NUL byte in the text", hint="write the file again; a NUL is no text")

    def next_char(self) -> str:
        """The next character that is no blank ('' at the end); stays there."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def line(self) -> int:
        """The line of the place that has been reached."""
        passed = (self._counted, self._at)
        ends = self._text.count("\n", *passed) + self._text.count("\r", *passed) - self._text.count("\r\n", *passed)
        self._line, self._counted = self._line + ends, self._at
        return self._line

    def rows(self) -> Iterator[Row | BadRow]:
        """The objects of the array, or of the one list of the object, that the text is."""
        first = self.next_char()
        if first == "[":
            yield from self.elements()
            self.end()
        elif first == "{":
            yield from self.rows_of_object()
        elif first:
            raise self.broken("this is no array of objects", hint="pass --format with the right name, e.g. csv")
        else:
            raise TailorError(f"{self._name} holds blanks only", allowed="an array of objects")

    def elements(self) -> Iterator[Row | BadRow]:
        """The elements of the array that begins here, each as a row."""
        self._at += 1
        if self.next_char() == "]":
            self._at += 1
            return
        while True:
            yield self._element()
            mark = self.next_char()
            if mark not in (",", "]"):
                raise self.broken("the array is cut off" if not mark else "a comma or ] is missing")
            self._at += 1
            if mark == "]":
                return
            if self.next_char() == "]":
                raise self.broken("a comma before the closing ]")

    def rows_of_object(self) -> list[Row | BadRow]:
        """The rows in the list of the object that begins here: the one called `data`, or the only one."""
        lists: dict[str, list[Row | BadRow]] = {}
        keys: set[str] = set()
        self._at += 1
        mark = "}" if self.next_char() == "}" else ","
        while mark == ",":
            self.next_char()
            key = self._value()
            if not isinstance(key, str) or self.next_char() != ":":
                raise self.broken("a key in quotes and a colon are expected")
            if key in keys:
                raise self.broken(f"the key {key!r} stands twice")
            keys.add(key)
            self._at += 1
            if self.next_char() == "[":
                lists[key] = list(self.elements())
            else:
                self._value()
            mark = self.next_char()
            if mark not in (",", "}"):
                raise self.broken("the object is cut off" if not mark else "a comma or } is missing")
            self._at += mark == ","
        self._at += 1
        self.end()
        if "data" in lists or len(lists) == 1:
            return lists["data"] if "data" in lists else next(iter(lists.values()))
        raise TailorError(
            f"{self._name} is one JSON object "
            + (f"with several lists ({', '.join(lists)})" if lists else "without a list of rows"),
            allowed='an array of objects, or an object with one list of them, e.g. {"data": [...]}',
            hint="keep the list of rows alone; a file with one object a line is --format jsonl",
        )

    def end(self) -> None:
        """Raise TailorError unless nothing but blanks is left."""
        follow = self.next_char()
        if follow == "{":
            raise self.broken("a second JSON value begins here", hint="one object a line is --format jsonl")
        if follow:
            raise self.broken("more text after the end of the JSON")

    def broken(self, what: str, *, hint: str | None = None) -> TailorError:
        """The error for the place that has been reached."""
        return TailorError(f"{self._name}:{self.line()}: not readable as JSON: {what}", hint=hint)

    def _element(self) -> Row | BadRow:
        self.next_char()
        line, start = self.line(), self._at
        value = self._value()
        size = self._at - start
        if size > limits.MAX_LINE_BYTES:
            limit = readable_size(limits.MAX_LINE_BYTES)
            reason = f"the object is {readable_size(size)} long (the limit is {limit}; only its beginning is kept)"
            return BadRow(self._name, line, reason, self._text[start : start + 1000])
        reason = "; ".join(self._parser.faults)
        if not reason and not isinstance(value, dict):
            reason = f"{kind_of(value)}, where the array should hold objects"
        elif not reason and not value:
            reason = "an object without any key"
        if reason or not isinstance(value, dict):
            return BadRow(self._name, line, reason, self._text[start : self._at])
        return Row(value, self._name, line)

    def _value(self) -> object:
        try:
            value, self._at = self._parser.value_at(self._text, self._at)
        except json.JSONDecodeError as exc:
            self._at = exc.pos
            column = exc.pos - max(self._text.rfind("\n", 0, exc.pos), self._text.rfind("\r", 0, exc.pos))
            raise self.broken(f"{plain_message(exc)} at column {column}", hint=self._cut_hint()) from None
        except RecursionError as exc:
            raise self.broken(
                str(exc), hint="no rows of text are: take out what is nested, or leave the file out"
            ) from None
        return value

    def _cut_hint(self) -> str | None:
        cut = not self._text.rstrip().endswith(("]", "}"))
        return "the file may be cut: fetch or write it again" if cut else None
