"""What a model reads: token rows, and the places in them whose states answer."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

PORTION = 4096
# Longer than any text.
WHOLE = 1 << 30


class Ragged(Sequence[list[int]]):
    """Rows of numbers of different lengths in one array: 4 bytes a number where lists take 40. Lists are made when they are asked for."""

    def __init__(self, rows: Iterable[Sequence[int]]):
        flat, ends = array("i"), array("q", [0])
        for row in rows:
            flat.extend(row)
            ends.append(len(flat))
        self._flat, self._ends = np.frombuffer(flat, np.int32) if flat else np.zeros(0, np.int32), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> list[int]: ...

    @overload
    def __getitem__(self, place: slice) -> list[list[int]]: ...

    def __getitem__(self, place: int | slice) -> list[int] | list[list[int]]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        row: list[int] = self._flat[self._ends[at] : self._ends[at + 1]].tolist()
        return row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Readings:
    """Rows of tokens for a model, with what is needed to read answers off its states.

    tokens: ids of each reading, special tokens included, no padding. rows: the row each is of; a long text may be cut into several
    readings (windows). types: segment ids beside the tokens, where a row is a pair of texts. places: the tokens whose states are read,
    by their place in the reading; without them the whole reading is read as one pooled vector. detail: what the task needs to read answers
    back (offsets, words), one entry a reading. cut: rows of which something was left out because they are too long. others: for pairs of
    texts that are read apart, the ids of the second texts, pooled like the first.
    """

    tokens: Sequence[list[int]]
    rows: list[int] = field(default_factory=list)
    types: Sequence[list[int]] | None = None
    places: list[list[int]] | None = None
    detail: list[Any] = field(default_factory=list)
    cut: int = 0
    others: Sequence[list[int]] | None = None

    def __post_init__(self) -> None:
        self.rows = self.rows or list(range(len(self.tokens)))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each reading, without those of a second text that is read apart."""
        return [len(tokens) for tokens in self.tokens]

    @property
    def sides(self) -> tuple[Readings, Readings] | None:
        """The first and the second texts of pairs that are read apart; None where each reading is one row of tokens."""
        return None if self.others is None else (Readings(self.tokens), Readings(self.others))

    @property
    def sizes(self) -> list[int]:
        """Vectors that each reading gives: one where it is pooled, else one a place."""
        return [1] * len(self.tokens) if self.places is None else [len(places) for places in self.places]

    @property
    def keys(self) -> list[str]:
        """sha256 (hex) of each reading: equal ones give equal vectors."""
        return [self._key(i) for i in range(len(self.tokens))]

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over all of them, in order."""
        content = hashlib.sha256()
        for i in range(len(self.tokens)):
            content.update(self._key(i).encode())
        return content.hexdigest()

    def _key(self, i: int) -> str:
        types = self.types[i] if self.types is not None else None
        places = self.places[i] if self.places is not None else None
        apart = () if self.others is None else (self.others[i],)
        return hashlib.sha256(repr((self.tokens[i], types, places, *apart)).encode()).hexdigest()

    def select(self, index: Sequence[int]) -> Readings:
        """Some of the readings."""
        return Readings(
            [self.tokens[i] for i in index],
            [self.rows[i] for i in index],
            [self.types[i] for i in index] if self.types is not None else None,
            [self.places[i] for i in index] if self.places is not None else None,
            [self.detail[i] for i in index] if self.detail else [],
            others=[self.others[i] for i in index] if self.others is not None else None,
        )


def token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, special tokens included, cut at `max_length`; one list a text, no padding."""
    if not texts:
        return []
    encoded = tokenizer([whole(text) for text in texts], truncation=True, max_length=max_length, padding=False)
    # GPT-2 and Qwen put nothing around a text, so an empty one has no token to read a state from: it is shown as one pad.
    return [list(ids) or [tokenizer.pad_token_id or 0] for ids in encoded["input_ids"]]


def ragged_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> Ragged:
    """Like `token_ids`, some thousand texts at a time and in one array: for as many rows as there may be."""
    starts = range(0, len(texts), PORTION)
    return Ragged(ids for at in starts for ids in token_ids(tokenizer, texts[at : at + PORTION], max_length))


def left_out(
    read: Callable[[Sequence[Any], int], Readings], inputs: Sequence[Any], readings: Readings, max_length: int
) -> tuple[int, int]:
    """Of how many inputs something is not read because they are too long, and how many tokens that is.

    read: gives readings of inputs, of so many tokens at most. readings: of these inputs, of `max_length` at most. Where a long input is read in
    windows, nothing is left out.
    """

    def tokens(some: Readings) -> np.ndarray:
        counts = np.bincount(some.rows, some.lengths)
        return counts if some.others is None else counts + [len(other) for other in some.others]

    sides = readings.sides or (readings,)
    full = {row for side in sides for row, length in zip(side.rows, side.lengths, strict=True) if length >= max_length}
    if not full:
        return 0, 0
    rows = sorted(full)
    lost = tokens(read([inputs[row] for row in rows], WHOLE)) - tokens(readings)[rows]
    return int((lost > 0).sum()), int(lost[lost > 0].sum())


def whole(text: str) -> str:
    """A text that every tokenizer takes: half a character (a lone surrogate) becomes the sign for what cannot be read.

    Its length stays, so that offsets into the one are offsets into the other.
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shares(scores: np.ndarray, *, votes: bool = False) -> np.ndarray:
    """Scores (n, outputs) as shares that sum to one: softmax, or the vote itself where scores are votes."""
    if votes or not len(scores):
        return scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def log_shares(scores: np.ndarray) -> np.ndarray:
    """Natural logarithms of `shares`, (n, outputs), without a share so small that it would be taken for 0."""
    top = scores.max(axis=1, keepdims=True)
    return np.asarray(scores - (top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))))
