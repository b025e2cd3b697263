"""The user's rows: read them exactly, guard their quality, split them.

`read` and `stream` are the functions here; their modules are `tailorlm.data.read` and `tailorlm.data.stream` for those
who import from them.
"""

from tailorlm.data.hub import read_hub
from tailorlm.data.quality import (
    Conflict,
    Copy,
    duplicate_ids,
    find_conflicts,
    find_copies,
    find_repeats,
    normalised,
)
from tailorlm.data.read import read
from tailorlm.data.rows import BadRow, Row, Rows, as_text
from tailorlm.data.split import stratified, subsample
from tailorlm.data.stream import RowStream, stream

__all__ = [
    "BadRow",
    "Conflict",
    "Copy",
    "Row",
    "RowStream",
    "Rows",
    "as_text",
    "duplicate_ids",
    "find_conflicts",
    "find_copies",
    "find_repeats",
    "normalised",
    "read",
    "read_hub",
    "stratified",
    "stream",
    "subsample",
]
