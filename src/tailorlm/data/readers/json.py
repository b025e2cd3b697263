"""JSON: an array of objects, bare or as the one list of an object (`{"data": [...]}`)."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.json_document import JsonDocument
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_json(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a JSON file; each begins on the line of its `{`. Values as in JSON Lines.

    The text is held in memory once; the rows are made one by one. An object inside the array that has a fault of its
    own is a bad row. Raises TailorError where the JSON itself is broken (nothing behind that place can be trusted), and
    when there is no list of rows, or more than one.
    """
    yield from JsonDocument(source.name, source.text()).rows()
