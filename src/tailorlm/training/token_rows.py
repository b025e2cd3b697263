"""Rows of tokens to learn language from, kept flat: one array for all rows, which may lie on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tailorlm.core.errors import TailorError


@dataclass(frozen=True)
class TokenRows:
    """Rows one behind the other.

    ids: (tokens,), whole numbers. learned: (tokens,), whether a token is to be predicted. borders: (rows + 1,), where each row begins.
    names: of each row, for messages. A row's first token is predicted from nothing and never counts as learned by a causal model.
    """

    ids: np.ndarray
    learned: np.ndarray
    borders: np.ndarray
    names: Sequence[str]

    @classmethod
    def of(cls, rows: Iterable[tuple[Sequence[int], Sequence[bool]]], names: Sequence[str]) -> TokenRows:
        """From pairs (ids, learned), one a row. TailorError for a row with no token, naming it."""
        pairs = list(rows)
        empty = [name for name, (ids, _) in zip(names, pairs, strict=True) if not len(ids)]
        if empty:
            raise TailorError(f"{len(empty)} rows have no token", got=", ".join(empty[:8]), hint="leave them out")
        borders = np.cumsum([0, *(len(ids) for ids, _ in pairs)])
        ids = np.fromiter((i for row, _ in pairs for i in row), dtype=np.int32, count=int(borders[-1]))
        learned = np.fromiter((bool(i) for _, row in pairs for i in row), dtype=bool, count=int(borders[-1]))
        return cls(ids, learned, borders, list(names))

    def __len__(self) -> int:
        return len(self.borders) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""
        return np.diff(self.borders)

    def row(self, number: int) -> np.ndarray:
        """Token ids of one row."""
        return self.ids[self.borders[number] : self.borders[number + 1]]

    def targets(self) -> np.ndarray:
        """(tokens,), which tokens a causal model learns: the learned ones, but a row's first."""
        found = np.array(self.learned, dtype=bool)
        found[self.borders[:-1]] = False
        return found

    def windows(self, length: int, overlap: int = 0) -> TokenRows:
        """The same rows, cut where they are longer than `length` tokens.

        Every window but a row's first begins with the last `overlap` tokens of the window before, which are seen and not learned again,
        so that each token is learned once. With none, a window's first token, which has nothing before it, is not learned at all.
        """
        if not 0 <= overlap < length:
            raise TailorError(
                "windows must advance", got=f"length {length}, overlap {overlap}", allowed="0 <= overlap < length"
            )
        if not len(self) or int(self.lengths.max()) <= length:
            return self
        ids, learned, sizes, names = [], [], [0], []
        for number, (start, stop) in enumerate(zip(self.borders[:-1], self.borders[1:], strict=True)):
            cuts = list(_cuts(int(start), int(stop), length, overlap))
            for place, (begin, end) in enumerate(cuts):
                seen = np.array(self.learned[begin:end], dtype=bool)
                if place:
                    seen[:overlap] = False
                ids.append(self.ids[begin:end])
                learned.append(seen)
                sizes.append(end - begin)
                names.append(self.names[number] + (f" ({place + 1} of {len(cuts)})" if len(cuts) > 1 else ""))
        return TokenRows(np.concatenate(ids), np.concatenate(learned), np.cumsum(sizes), names)

    def learnable(self) -> TokenRows:
        """The rows of which a causal model learns anything: a last window of one token, say, has nothing before it."""
        keep = (
            np.add.reduceat(self.targets(), self.borders[:-1], dtype=np.int64) > 0 if len(self) else np.zeros(0, bool)
        )
        if keep.all():
            return self
        tokens = np.repeat(keep, self.lengths)
        names = [name for name, kept in zip(self.names, keep, strict=True) if kept]
        return TokenRows(self.ids[tokens], self.learned[tokens], np.cumsum([0, *self.lengths[keep]]), names)

    def fingerprint(self) -> str:
        """sha256 over ids, what is learned, and borders."""
        found = hashlib.sha256(str(len(self)).encode())
        for array, kind in ((self.ids, np.int32), (self.learned, bool), (self.borders, np.int64)):
            for start in range(0, len(array), 1 << 22):
                found.update(np.ascontiguousarray(array[start : start + (1 << 22)], dtype=kind).tobytes())
        return found.hexdigest()

    def words(self, begins: np.ndarray | None = None) -> np.ndarray:
        """(tokens,) number of the word (from 0) that each token belongs to; a row always begins one.

        begins: (tokens,) whether a token begins a word; without it every token is one.
        """
        starts = np.ones(len(self.ids), dtype=bool) if begins is None else np.array(begins, dtype=bool)
        starts[self.borders[:-1]] = True
        return np.cumsum(starts) - 1

    @staticmethod
    def lesson_fingerprint(told: str, words: np.ndarray) -> str:
        """sha256 (hex) over what a lesson tells of itself, these rows included, and where their words begin."""
        starts = np.packbits(np.diff(words, prepend=-1) > 0)
        return hashlib.sha256(told.encode() + starts.tobytes()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the arrays and names into a folder, to be read by `load`."""
        from tailorlm.core import atomic

        folder.mkdir(parents=True, exist_ok=True)
        small = self.ids.max(initial=0) < 1 << 16
        np.save(folder / "ids.npy", self.ids.astype(np.uint16 if small else np.int32))
        np.save(folder / "learned.npy", self.learned)
        np.save(folder / "borders.npy", self.borders.astype(np.int64))
        atomic.write_text(folder / "names.txt", "\n".join(name.replace("\n", " ") for name in self.names))

    @classmethod
    def load(cls, folder: Path) -> TokenRows:
        """Read what `save` wrote; the arrays stay on disk and are read where they are used."""
        ids, learned, borders = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "learned", "borders")
        )
        names = (folder / "names.txt").read_text(encoding="utf-8").split("\n")
        return cls(ids, learned, np.asarray(borders), names)


def _cuts(start: int, stop: int, length: int, overlap: int) -> Iterator[tuple[int, int]]:
    while True:
        yield start, min(start + length, stop)
        if start + length >= stop:
            return
        start += length - overlap
