"""The user's rows: read them exactly, guard their quality, split them.

`read` is the function here; its module is `tailorlm.data.read` for those who import from it.
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

__all__ = [
    "BadRow",
    "Conflict",
    "Copy",
    "Row",
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
    "subsample",
]
