"""JSON as the standard writes it, nothing quietly changed.

Python's own reader accepts NaN, keeps the last of two equal keys, loses the text of `1e5` and dies on deep nesting.
Here the first two are faults, the text is kept, and depth has a limit that does not depend on the machine.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tailorlm.data.rows import WrittenFloat, shared_keys

MAX_DEPTH = 100
BLANKS = " \t\r\n"
"""What JSON calls white space; `str.strip()` alone would also take characters of the text."""
_SURROGATE = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


class StrictJson:
    """Reads JSON values; faults inside a value are gathered, so that the reader can go on behind it.

    After each call `faults` says what is wrong with that value (empty: nothing).
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def value_at(self, text: str, start: int) -> tuple[Any, int]:
        """The value that begins at `start` and where it ends.

        Raises json.JSONDecodeError when no value can be made out, RecursionError when it is nested too deep for Python.
        """
        self.faults = []
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise RecursionError(f"nested more than {MAX_DEPTH} deep") from None
        if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH and _depth_beyond(value, MAX_DEPTH):
            self.faults = [f"nested more than {MAX_DEPTH} deep"]
        elif _SURROGATE.search(text, start, end):
            self._check_surrogates(value)
        return value, end

    def line(self, text: str) -> Any:
        """The one value that a line holds; None with `faults` when there is none, or more than one."""
        try:
            value, end = self.value_at(text, len(text) - len(text.lstrip(BLANKS)))
        except json.JSONDecodeError as exc:
            self.faults = [f"not valid JSON: {plain_message(exc)} at column {exc.pos + 1}"]
            return None
        except RecursionError as exc:
            self.faults = [str(exc)]
            return None
        if rest := text[end:].lstrip(BLANKS):
            self.faults.append(f"not valid JSON: more text after the value, at column {len(text) - len(rest) + 1}")
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = shared_keys(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            self.faults.append(f"the key {_short(twice)!r} stands twice in one object")
        return found

    def _float(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            self.faults.append(f"the number {_short(text)} is too large")
        return number if repr(number) == text else WrittenFloat(text)

    def _int(self, text: str) -> int | float:
        if text == "-0":  # int would drop the sign
            return WrittenFloat(text)
        try:
            return int(text)
        except ValueError:  # Python limits the digits it converts
            self.faults.append(f"a number of {len(text)} digits")
            return 0

    def _constant(self, text: str) -> None:
        self.faults.append(f"{text} is not JSON (write null, or a string)")

    def _check_surrogates(self, value: Any) -> None:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as exc:
            code = ord(exc.object[exc.start])
            self.faults.append(f"half a character (lone surrogate \\u{code:04x}) in a string")


def plain_message(exc: json.JSONDecodeError) -> str:
    """Python's words for a JSON fault, for the middle of a sentence."""
    return exc.msg[:1].lower() + exc.msg[1:].removesuffix(" at").removesuffix(" starting")


def kind_of(value: Any) -> str:
    """What JSON calls a value: 'an object', 'an array', 'a string', ..."""
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:17]}..."


def _depth_beyond(value: Any, limit: int) -> bool:
    """Level by level, without recursion; an object of scalars is one deep."""
    level = [value]
    for _ in range(limit):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [child for children in inner for child in children]
    return any(isinstance(item, dict | list) for item in level)
