"""Rows on disk between two passes: written once, read in chunks, single rows fetched by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.atomic import disk_errors
from tailorlm.data.prep.wire import items_of
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

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Append lines as they come, many at a time."""
        batch: list[bytes] = []
        size = 0
        for line in lines:
            batch.append(line)
            size += len(line)
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
        places = self._places[np.asarray(numbers, np.int64)].tolist()
        ends = self._places[np.asarray(numbers, np.int64) + 1].tolist()
        found: list[Item] = []
        with self.path.open("rb", buffering=0) as file:
            for number, at, end in zip(numbers, places, ends, strict=True):
                file.seek(at)
                found += items_of(_whole(file, end - at), number)
        return found

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def _find_places(self) -> NDArray[np.int64]:
        """(n + 1,) where each line begins, and where the last one ends."""
        places = np.zeros(self._count + 1, dtype=np.int64)
        at = count = 0
        with self.path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10) + at + 1
                places[count + 1 : count + 1 + len(ends)] = ends
                count += len(ends)
                at += len(block)
        return places


def _whole(file: IO[bytes], size: int) -> bytes:
    """So many bytes; a raw read may give fewer at a time."""
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


class SplitFiles:
    """The rows that come out, as JSON Lines, one file a split; a file is made when its first rows come."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._paths: dict[str, Path] = {}
        self._files: dict[str, IO[bytes]] = {}

    def write(self, by_split: Mapping[str, bytes]) -> None:
        """Append whole lines to the file of each split ('' where rows were not split)."""
        for split, lines in by_split.items():
            if split not in self._paths:
                self._paths[split] = self._folder / f"{split or 'rows'}.jsonl"
                self._files[split] = self._paths[split].open("wb")
            with disk_errors(self._paths[split]):
                self._files[split].write(lines)

    def close(self) -> None:
        """Write out what is still held, and close the files."""
        for split, file in self._files.items():
            with disk_errors(self._paths[split]):
                file.close()
        self._files.clear()

    def in_order(self) -> dict[str, Path]:
        """Split -> file, in the order train, validation, test."""
        return {split: self._paths[split] for split in ("", "train", "validation", "test") if split in self._paths}
