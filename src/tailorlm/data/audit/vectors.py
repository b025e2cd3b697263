"""Cheap vectors of texts: hashed n-grams, weighted by rarity, brought down to a few hundred dense numbers. No model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError
from tailorlm.data.audit.hashing import BUCKETS, ngrams
from tailorlm.data.audit.words import order

Floats: TypeAlias = NDArray[np.float32]

_SAMPLE = 20_000
_SAMPLE_CHARACTERS = 2_000_000
"""What the axes are learnt from at the most; more makes no better axes, and time and memory stay within bounds."""
_BLOCK_CHARACTERS = 1_000_000
_COLUMNS = 2**16
_LONGEST = 200_000
"""Characters of a text that count: what it is about shows there, and a whole book would take its size a hundredfold."""


class TextVectors:
    """Dense vectors of texts, learnt from the texts alone: rows about the same things point the same way.

    Word 1- and 2-grams and character 3- to 5-grams are hashed, weighted by TF-IDF and projected on the `size` strongest
    axes (truncated SVD). The axes are learnt from different texts chosen by content: 20,000, or two million characters
    of them; of each text its first 200,000 characters count.
    Memory: 4 * size bytes a row for what `transform` returns, and some 300 MB at the most besides, whatever the
    number of rows. The same texts and seed give the same vectors in any order. SciPy and scikit-learn load when `fit` is
    called.

    Choose it where no encoder is at hand, or none is worth its time: checks, folds, quick looks. Instead: the vectors of
    a sentence encoder, which know that 'cash' and 'money' are near.
    Source: latent semantic analysis, Deerwester et al. 1990; hashing, Weinberger et al. 2009, arXiv:0902.2206.

    >>> TextVectors(2).fit(["a red car", "red cars", "the bank"]).transform(["red car"]).shape
    (1, 2)
    """

    def __init__(self, size: int = 256, seed: int = 0):
        self.size, self.seed = size, seed

    def fit(self, texts: Sequence[str]) -> TextVectors:
        """Learn columns, weights and axes. Raises TailorError when no two texts have an n-gram in common."""
        chosen = self._sample(texts)
        parts = [_counts(block, np.arange(BUCKETS, dtype=np.int32), BUCKETS) for block in _blocks(chosen)]
        found = sum((np.bincount(part.indices, minlength=BUCKETS) for part in parts), np.zeros(BUCKETS, np.int64))
        # A column that stands in one text only ties no two texts together.
        columns = np.flatnonzero(found >= 2)
        if not len(columns):
            raise TailorError("the texts have no word in common to be compared by", got=f"{len(texts)} texts")
        if len(columns) > _COLUMNS:
            columns = np.sort(columns[np.argsort(-found[columns], kind="stable")[:_COLUMNS]])
        self.place_ = np.full(BUCKETS, -1, dtype=np.int32)
        self.place_[columns] = np.arange(len(columns), dtype=np.int32)
        self.weights_ = (np.log((1 + len(chosen)) / (1 + found[columns])) + 1).astype(np.float32)
        self.axes_ = self._axes([self._weighted(part[:, columns]) for part in parts])
        return self

    def transform(self, texts: Sequence[str]) -> Floats:
        """(n, at most size) vectors of length 1; a text with nothing known in it gives zeros."""
        width = self.axes_.shape[1]
        vectors = np.zeros((len(texts), width), np.float32)
        start = 0
        for block in _blocks(texts):
            counts = _counts(block, self.place_, len(self.weights_))
            vectors[start : start + len(block)] = _unit(self._weighted(counts) @ self.axes_)
            start += len(block)
        return vectors

    def _sample(self, texts: Sequence[str]) -> list[str]:
        chosen: list[str] = []
        room = _SAMPLE_CHARACTERS
        for text in sorted(set(texts), key=lambda text: order(self.seed, text))[:_SAMPLE]:
            if chosen and len(text) > room:
                break
            chosen.append(text)
            room -= len(text)
        return chosen

    def _weighted(self, counts: Any) -> Any:
        counts.data = (1 + np.log(counts.data)) * self.weights_[counts.indices]
        lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
        counts.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(counts.indptr)).astype(np.float32)
        return counts

    def _axes(self, parts: Sequence[Any]) -> Floats:
        from scipy.sparse import vstack
        from sklearn.utils.extmath import randomized_svd

        matrix = vstack(parts, format="csr")
        size = min(self.size, min(matrix.shape))
        axes = randomized_svd(matrix, size, n_iter=2, random_state=self.seed)[2]
        return np.ascontiguousarray(axes.T, dtype=np.float32)


def _counts(texts: Sequence[str], place: NDArray[np.int32], width: int) -> Any:
    """(n, width) counts of n-grams, those whose place is -1 left out."""
    from scipy.sparse import coo_array

    rows, buckets = ngrams(texts)
    columns = place[buckets]
    kept = columns >= 0
    ones = np.ones(int(kept.sum()), np.float32)
    return coo_array((ones, (rows[kept], columns[kept])), shape=(len(texts), width)).tocsr()


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, some million characters at a time."""
    block: list[str] = []
    room = _BLOCK_CHARACTERS
    for text in texts:
        text = text[:_LONGEST]
        if block and len(text) > room:
            yield block
            block, room = [], _BLOCK_CHARACTERS
        block.append(text)
        room -= len(text) + 2
    if block:
        yield block


def _unit(vectors: Any) -> Floats:
    found: Floats = np.asarray(vectors, dtype=np.float32)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return found
