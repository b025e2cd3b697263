"""By what rows are copies: the letters of their texts, or the directions of their vectors."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tailorlm.data.near import Cluster, Given, Near, Rule, choose, find_semantic
from tailorlm.data.near.vectors import cosine
from tailorlm.data.quality import normalised
from tailorlm.data.steps._alike import nearest
from tailorlm.data.steps.base import Context, Item, RowsOnDisk

_AT_ONCE = 2048
Time = Callable[[int], Any] | None


class Likeness(Protocol):
    """How alike rows of one cluster are, and what that is called."""

    def nearest(self, rows: Sequence[Item], others: Sequence[Item]) -> Iterator[tuple[int, Item, float]]:
        """For each of `rows` that is alike one of `others`: its number, the most alike of them and how alike."""

    def given(self, groups: Sequence[Sequence[Item]], rule: Rule, when: Time) -> list[Given]:
        """The rows of each group to give up, by their numbers, each for one that stays."""

    def said(self, text: str, stays: str, similarity: float) -> tuple[str, str]:
        """What kind of copy a text is, and how alike, in words."""


class ByLetters:
    """Copies by the true Jaccard similarity of their texts. near: the index that found the clusters."""

    def __init__(self, near: Near, context: Context):
        self.near, self.context = near, context

    def nearest(self, rows: Sequence[Item], others: Sequence[Item]) -> Iterator[tuple[int, Item, float]]:
        """By Jaccard similarity."""
        return nearest(rows, others, self.context, self.near)

    def given(self, groups: Sequence[Sequence[Item]], rule: Rule, when: Time) -> list[Given]:
        """The best by the rule stays; the others go if they are like one that stays."""
        texts = {item.number: self.context.fields.text(item.values) for group in groups for item in group}
        return choose(
            [Cluster(tuple(item.number for item in group), ()) for group in groups],
            lambda numbers: [texts[number] for number in numbers],
            rule=rule,
            threshold=self.near.bar,
            shingles=self.near.shingles,
            when=when,
        )

    def said(self, text: str, stays: str, similarity: float) -> tuple[str, str]:
        """Exact, equal when normalised, or near."""
        if text == stays:
            return "exact", ""
        # Texts that are equal when folded have equal sets of shingles; the other way round that need not be.
        if similarity == 1.0 and normalised(text) == normalised(stays):
            return "normalised", ""
        return "near", f", Jaccard {similarity:.2f}"


class ByMeaning:
    """Copies by the cosine of their vectors: the same said in other words.

    encode: texts to vectors (texts, width). left_out: rows that are gone already. Texts are encoded 2,048 at a time and their
    vectors (4 bytes a number) put into a file without a name; `clusters` holds a second copy in memory, so it is
    4 x width bytes a row (1,536 with the starter encoder). Rows without a letter or digit are like no other.
    """

    def __init__(
        self,
        rows: RowsOnDisk,
        context: Context,
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
        threshold: float,
        left_out: Container[int],
    ):
        self.context, self.threshold = context, threshold
        self._numbers: list[int] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        self.width = 0
        texts: list[str] = []
        for item in rows:
            text = context.fields.text(item.values)
            if item.number not in left_out and any(map(str.isalnum, text)):
                self._numbers.append(item.number)
                texts.append(text)
            if len(texts) == _AT_ONCE:
                self._write(encode(texts))
                texts = []
        if texts:
            self._write(encode(texts))
        self._file.flush()
        self._places = {number: place for place, number in enumerate(self._numbers)}
        shape = (len(self._numbers), self.width)
        self._vectors: NDArray[np.float32] = (
            np.memmap(self._file, np.float32, "r", shape=shape) if self._numbers else np.zeros(shape, np.float32)
        )

    def clusters(self) -> list[Cluster]:
        """Rows whose vectors have a cosine of the threshold or more, by their numbers."""
        found = find_semantic(self._vectors, threshold=self.threshold)
        return [Cluster(tuple(self._numbers[place] for place in cluster.indices), ()) for cluster in found]

    def nearest(self, rows: Sequence[Item], others: Sequence[Item]) -> Iterator[tuple[int, Item, float]]:
        """By cosine."""
        if not others:
            return
        for item in rows:
            similar = [self._cosine(item.number, other.number) for other in others]
            best = int(np.argmax(similar))
            if similar[best] >= self.threshold:
                yield item.number, others[best], similar[best]

    def given(self, groups: Sequence[Sequence[Item]], rule: Rule, when: Time) -> list[Given]:
        """The best by the rule stays; the others go if their vectors are like one that stays."""
        numbers = [item.number for group in groups for item in group]
        if not numbers:
            return []
        texts = [self.context.fields.text(item.values) for group in groups for item in group]
        vectors = np.stack([self._vectors[self._places[number]] for number in numbers])
        places = iter(range(len(numbers)))
        found = choose(
            [Cluster(tuple(islice(places, len(group))), ()) for group in groups],
            lambda places: [texts[place] for place in places],
            rule=rule,
            threshold=self.threshold,
            when=None if when is None else lambda place: when(numbers[place]),
            vectors=vectors,
        )
        return [Given(numbers[one.index], numbers[one.kept], one.similarity) for one in found]

    def said(self, text: str, stays: str, similarity: float) -> tuple[str, str]:
        """The same in other words."""
        return "semantic", f", cosine {similarity:.2f}"

    def _write(self, vectors: NDArray[np.float32]) -> None:
        self.width = int(vectors.shape[1])
        self._file.write(np.ascontiguousarray(vectors, np.float32).tobytes())

    def _cosine(self, left: int, right: int) -> float:
        return cosine(self._vectors[self._places[left]], self._vectors[self._places[right]])
