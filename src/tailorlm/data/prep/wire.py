"""Rows as lines of JSON between passes and processes; values come back exactly as they went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tailorlm.data.rows import WrittenFloat
from tailorlm.data.steps.base import Item


def dumps(value: Any, *, ascii_only: bool = True) -> str:
    """JSON on one line, numbers as they were written (`1e5` stays `1e5`)."""
    if _has_written(value):
        return _written(value, ascii_only)
    return (_ASCII if ascii_only else _UNICODE)(value)


def loads(text: str | bytes) -> Any:
    """What `dumps` wrote; a number whose text Python would not write again keeps it."""
    return _DECODER.decode(text.decode("ascii") if isinstance(text, bytes) else text)


def lines_of(items: Iterable[Item]) -> bytes:
    """Rows as ASCII lines (`number` is the place in the file, and not written)."""
    return "".join([f"{_row(item, dumps(item.values))}\n" for item in items]).encode("ascii")


def line_of(item: Item, values: str) -> bytes:
    """The line of one row whose values are written already (`dumps`)."""
    return f"{_row(item, values)}\n".encode("ascii")


def items_of(chunk: bytes, first: int) -> Iterator[Item]:
    """The rows of whole lines, as `lines_of` wrote them; `first` is the number of the first one."""
    text = chunk.decode("ascii")
    # "-0" alone (as a number; most are dates) needs the slower way.
    scan = (_DECODER if "-0" in text else _SIMPLE).raw_decode
    for number, line in enumerate(text.split("\n")[:-1], first):
        source, at, split, made, values = scan(line)[0]
        yield Item(number, values, source, at, split, made)


def _row(item: Item, values: str) -> str:
    made = _ASCII(item.made) if item.made else '""'
    return f'[{_ASCII(item.source)}, {item.line}, "{item.split}", {made}, {values}]'


def json_line(values: Any) -> bytes:
    """A line of a JSON Lines file for people and programs: UTF-8, and no character that some tool takes for a line end.

    A lone surrogate, which UTF-8 cannot hold, stands as its JSON escape.
    """
    text = dumps(values, ascii_only=False)
    if not text.isascii():
        for sign, escape in (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\x85", "\\u0085")):
            text = text.replace(sign, escape)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _float(text: str) -> float:
    number = float(text)
    return number if repr(number) == text else WrittenFloat(text)


def _int(text: str) -> int | float:
    return WrittenFloat(text) if text == "-0" else int(text)


_ASCII, _UNICODE = json.JSONEncoder().encode, json.JSONEncoder(ensure_ascii=False).encode
_PLAIN = frozenset({str, int, float, bool, type(None)})
_SIMPLE = json.JSONDecoder(parse_float=_float)
_DECODER = json.JSONDecoder(parse_float=_float, parse_int=_int)


def _has_written(value: Any) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return False
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return kind is WrittenFloat
    if _PLAIN.issuperset(map(type, value)):
        return False
    return any(type(item) not in _PLAIN and _has_written(item) for item in value)


def _written(value: Any, ascii_only: bool) -> str:
    if isinstance(value, WrittenFloat):
        return value.literal
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(k), ensure_ascii=ascii_only)}: {_written(v, ascii_only)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_written(item, ascii_only) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)
