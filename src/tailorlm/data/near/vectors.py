"""Duplicates in meaning: rows whose vectors point the same way. The vectors are the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.near.clusters import Cluster, Forest, Pair, clusters_of

_BLOCK = 1024
# float32 products differ by about this much from one order of adding to another.
_SLACK = 1e-4


def find_semantic(vectors: NDArray[Any], *, threshold: float = 0.9) -> list[Cluster]:
    """The clusters of rows whose vectors have a cosine of `threshold` or more, with the pairs that hold them together.

    vectors: (n, d) real numbers, one row a text, of any length; rows of zeros have no direction and are like none.
    All pairs are compared, in blocks of 1,024 rows: 4 n d bytes and some MB more, n^2 d operations (see
    docs/studies/near_duplicates.md for what that takes); take `find_near` first and give this what is left. Raises
    UsageError for bounds, TailorError for vectors that are no (n, d) table or hold NaN or infinite numbers.
    Choose it when rows repeat in other words. A cosine says what the encoder thinks alike: look at pairs before rows go,
    since many encoders put a sentence and its negation close together.

    >>> find_semantic(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]))[0].indices
    (0, 2)
    """
    if not 0 < threshold <= 1:
        raise UsageError("the threshold is out of bounds", got=str(threshold), allowed="above 0, up to 1")
    table = np.asarray(vectors)
    units = _units(table)
    forest = Forest(len(units))
    pairs = []
    for left, right in _candidates(units, threshold - _SLACK, forest):
        # Once more in double precision, so that a pair's cosine depends on the pair alone.
        similar = cosine(table[left], table[right])
        if similar >= threshold and forest.join(left, right):
            pairs.append(Pair(left, right, similar, "semantic"))
    return clusters_of(pairs)


def cosine(left: NDArray[Any], right: NDArray[Any]) -> float:
    """The cosine of two vectors (d,), rounded to twelve places so that equal vectors have 1.0; 0.0 where one is zero."""
    one, other = (_unit(np.asarray(vector, np.float64)) for vector in (left, right))
    return round(float(one @ other), 12)


def _candidates(units: NDArray[np.float32], least: float, forest: Forest) -> Iterator[tuple[int, int]]:
    """Pairs (left below right) of rows that are not in one cluster yet, block by block."""
    for at in range(0, len(units), _BLOCK):
        for other in range(at, len(units), _BLOCK):
            left, right = np.nonzero(units[at : at + _BLOCK] @ units[other : other + _BLOCK].T >= least)
            pairs = np.stack((left + at, right + other), axis=1)
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            for left_row, right_row in pairs[forest.of(pairs[:, 0]) != forest.of(pairs[:, 1])].tolist():
                if not forest.together(left_row, right_row):
                    yield left_row, right_row


def _units(table: NDArray[Any]) -> NDArray[np.float32]:
    if table.ndim != 2 or table.dtype.kind not in "fiu":
        raise TailorError(
            "vectors must be a table of numbers, one row a text", got=f"{table.dtype}, shape {table.shape}"
        )
    units = np.empty(table.shape, np.float32)
    for at in range(0, len(table), _BLOCK):
        part = table[at : at + _BLOCK].astype(np.float64)
        finite = np.isfinite(part).all(axis=1)
        if not finite.all():
            raise TailorError("a vector holds NaN or an infinite number", got=f"row {at + int(np.argmin(finite))}")
        units[at : at + _BLOCK] = _unit(part)
    return units


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
    vectors = vectors / np.where(largest > 0, largest, 1.0)  # so that the squares of tiny numbers do not vanish
    lengths = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    units: NDArray[np.float64] = vectors / np.where(lengths > 0, lengths, 1.0)
    return units
