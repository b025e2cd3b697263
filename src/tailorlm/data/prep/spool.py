"""Rows on disk between two passes: written once, read in chunks, single rows fetched by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.atomic import disk_errors
from tailorlm.data.prep.wire import items_of, line_of
from tailorlm.data.steps.base import Item

CHUNK_BYTES = 1 << 20
"""About how much one task of a worker reads. Chunks do not depend on the number of workers, nor do results."""


class Spool:
    """The rows of one pass in a file; `len`, iteration in order, and `fetch` by number.

    Memory: nothing but, once `fetch` was called, 8 bytes a row for the places of the lines.
    """

    def __init__(self, path: Path):
        self.path = path
        self._count = 0
        self._places: NDArray[np.int64] | None = None
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        with disk_errors(self.path):
            self._file.close()
        self._file = None

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        assert self._file is not None
        with disk_errors(self.path):
            self._file.write(lines)
        self._digest.update(lines)
        self._count += lines.count(b"\n")

    def write_items(self, items: Iterable[Item]) -> None:
        """Append rows."""
        batch: list[bytes] = []
        size = 0
        for item in items:
            batch.append(line_of(item))
            size += len(batch[-1])
            if size > CHUNK_BYTES:
                self.write(b"".join(batch))
                batch, size = [], 0
        self.write(b"".join(batch))

    def __len__(self) -> int:
        return self._count

    @property
    def sha256(self) -> str:
        """Over all rows with their origin, in order."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines, about `CHUNK_BYTES` at a time, each with the number of its first row."""
        first = 0
        with self.path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                if not block.endswith(b"\n"):
                    block += file.readline()
                yield first, block
                first += block.count(b"\n")

    def __iter__(self) -> Iterator[Item]:
        for first, chunk in self.chunks():
            yield from items_of(chunk, first)

    def fetch(self, numbers: Sequence[int]) -> list[Item]:
        """The rows of these numbers, in this order."""
        if self._places is None:
            self._places = self._find_places()
        found: list[Item] = []
        with self.path.open("rb") as file:
            for number in numbers:
                file.seek(int(self._places[number]))
                found += items_of(file.readline(), number)
        return found

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def _find_places(self) -> NDArray[np.int64]:
        places = np.empty(self._count, dtype=np.int64)
        at = count = 0
        with self.path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10) + at + 1
                inside = ends[: len(places) - count - 1]  # the end of the last line begins no other
                places[count + 1 : count + 1 + len(inside)] = inside
                count += len(inside)
                at += len(block)
        if len(places):
            places[0] = 0
        return places
