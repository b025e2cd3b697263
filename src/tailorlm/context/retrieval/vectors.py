"""Vectors of many texts written to one file: those known from before are copied, the others computed, some at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.context.retrieval.encoder import PORTION, Encoder
from tailorlm.context.retrieval.text_index import VECTORS

KEYS = "keys.npy"
_KEY = 16


def key_of(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()


class Known:
    """The vectors of an earlier version by the text that they were made of. Memory: some 100 bytes a text."""

    def __init__(self, keys: NDArray[Any] | None = None, vectors: NDArray[Any] | None = None):
        self._vectors = vectors
        raw = b"" if keys is None else keys.tobytes()
        self._place = {raw[i : i + _KEY]: i // _KEY for i in range(0, len(raw), _KEY)}

    @classmethod
    def of(cls, folder: Path) -> Known:
        """Those of a version's folder; none where it has no vectors."""
        if not (folder / VECTORS).is_file():
            return cls()
        return cls(
            np.load(folder / KEYS, allow_pickle=False), np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        )

    def find(self, key: bytes) -> NDArray[Any] | None:
        """The vector of a text, or None."""
        place = self._place.get(key)
        return None if place is None or self._vectors is None else self._vectors[place]


@dataclass
class Computed:
    """What writing vectors came to. computed, reused: vectors. too_long: texts whose ends the encoder did not read."""

    computed: int = 0
    reused: int = 0
    too_long: int = 0


def write_vectors(
    folder: Path,
    texts: Iterable[str],
    count: int,
    encoder: Encoder,
    known: Known,
    *,
    store: str = "float32",
    listen: Callable[[int], None] = lambda done: None,
) -> Computed:
    """Write `vectors.npy`, (count, width), and `keys.npy` for `count` texts into a folder; the texts are gone through once.

    known: what need not be computed again. store: `float32` or `float16`. listen: told how many texts are done. Held in memory:
    one portion of texts. The encoder is loaded only when something is computed.
    """
    done = Computed()
    keys = np.zeros((count, _KEY), np.uint8)
    vectors: NDArray[Any] | None = None
    waiting: list[tuple[int, str]] = []

    def put(positions: list[int], found: NDArray[Any]) -> None:
        nonlocal vectors
        if vectors is None:
            vectors = np.lib.format.open_memmap(
                folder / VECTORS, mode="w+", dtype=np.dtype(store), shape=(count, found.shape[1])
            )
        vectors[positions] = found

    def compute() -> None:
        some = [text for _, text in waiting]
        put([position for position, _ in waiting], encoder.texts(some))
        done.computed += len(some)
        done.too_long += encoder.too_long(some)
        waiting.clear()

    for position, text in enumerate(texts):
        key = key_of(text)
        keys[position] = np.frombuffer(key, np.uint8)
        old = known.find(key)
        if old is not None:
            put([position], old[None])
            done.reused += 1
        else:
            waiting.append((position, text))
        if len(waiting) == PORTION:
            compute()
            listen(position + 1)
    if waiting:
        compute()
    listen(count)
    if vectors is None:
        vectors = np.zeros((0, 0), np.dtype(store))
        np.save(folder / VECTORS, vectors, allow_pickle=False)
    elif isinstance(vectors, np.memmap):
        vectors.flush()
    np.save(folder / KEYS, keys, allow_pickle=False)
    return done
