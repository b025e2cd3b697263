"""Texts by number that can be found by words, by meaning or by both: what the passage index and the example store share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tailorlm.context.retrieval.approximate import CELLS, Approximate
from tailorlm.context.retrieval.bm25 import Bm25
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.flat import Flat
from tailorlm.context.retrieval.rank import Scores, reciprocal_rank, varied
from tailorlm.context.retrieval.rerank import Reranker
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.core.errors import TailorError, UsageError

VECTORS = "vectors.npy"
TextOf = Callable[[int], str]


class Found(NamedTuple):
    """One text found. position: its number. score: what it was ordered by. by: retriever to (rank from 1, its own score)."""

    position: int
    score: float
    by: dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Asked:
    """Queries with what is needed to answer them: their vectors where meaning counts, and positions that must not come back."""

    texts: Sequence[str]
    vectors: Scores | None = None
    leave_out: Sequence[frozenset[int]] = field(default=())


class TextIndex:
    """BM25 and vectors over the same texts, numbered from 0.

    vectors: (texts, width) of length one, or None where texts are found by words alone. Memory: that of `Bm25`, and 4 (or 2) bytes
    times width a text, which stay on the disk until they are compared when the index was read from a folder.
    """

    def __init__(self, bm25: Bm25, vectors: NDArray[Any] | None, cells: Approximate | None = None):
        """cells: vectors are found by them, in place of comparing with each."""
        self.bm25, self.vectors, self.cells = bm25, vectors, cells

    @classmethod
    def of(cls, texts: Iterable[str], vectors: NDArray[Any] | None = None, *, k1: float = 1.5, b: float = 0.75) -> Self:
        """An index in memory over texts and, if given, their vectors."""
        return cls(Bm25(k1, b).fit(texts), vectors)

    def __len__(self) -> int:
        return self.bm25.count

    def search(self, asked: Asked, settings: SearchSettings, text_of: TextOf) -> list[list[Found]]:
        """For every query what was found, best first; fewer than `settings.k` where fewer texts fit.

        text_of: the text behind a position, for a re-ranker. The order of work: each retriever brings `depth` texts, they are
        joined by reciprocal rank, put in order again by the cross-encoder, and thinned for variety: what the cross-encoder read by its
        scores, where there is one, else all by their cosines with the query. Ties go to the lower number.
        Raises UsageError when vectors are asked for and there are none.
        """
        names = self.retrievers(settings)
        if ("dense" in names or settings.variety) and (self.vectors is None or asked.vectors is None):
            raise UsageError(
                "these texts have no vectors, so they can be found by words alone",
                got="variety" if "dense" not in names else f"retriever {settings.retriever}",
                hint="--retriever bm25, without --variety; or build the index with an encoder",
            )
        depth = max(settings.depth, settings.k)
        left_out = list(asked.leave_out) or [frozenset()] * len(asked.texts)
        most = depth + max(map(len, left_out), default=0)
        brought = [self._bring(name, asked, most, settings.probes) for name in names]
        reranker = Reranker.load(settings.rerank) if settings.rerank else None
        answers = []
        for i, query in enumerate(asked.texts):
            lists = [[hit for hit in one[i] if hit[0] not in left_out[i]][:depth] for one in brought]
            found = _joined(names, lists, settings)
            if reranker is not None:
                found = reranker.again(query, found, text_of, settings.rerank_depth)
            if settings.variety and asked.vectors is not None:
                found = self._varied(found, asked.vectors[i], settings)
            answers.append(found[: settings.k])
        return answers

    def retrievers(self, settings: SearchSettings) -> list[str]:
        """The retrievers that the settings mean for this index."""
        if settings.retriever == "auto":
            return ["bm25", "dense"] if self.vectors is not None else ["bm25"]
        return ["bm25", "dense"] if settings.retriever == "fused" else [settings.retriever]

    def _bring(self, name: str, asked: Asked, depth: int, probes: int) -> list[list[tuple[int, float]]]:
        if name == "bm25":
            return [self.bm25.search(query, depth) for query in asked.texts]
        if self.cells is not None:
            return self.cells.search(asked.vectors, depth, probes)  # type: ignore[arg-type]  # `search` has looked
        return Flat(self.vectors).search(asked.vectors, depth)  # type: ignore[arg-type]  # `search` has looked

    def _varied(self, found: list[Found], query: Scores, settings: SearchSettings) -> list[Found]:
        """The first `k` by relevance and unlikeness; behind what a re-ranker read stays what it did not, as it was."""
        pool = found[: settings.rerank_depth] if settings.rerank else found
        positions = np.array([hit.position for hit in pool], np.int64)
        vectors = np.asarray(self.vectors[positions], np.float32)  # type: ignore[index]  # `search` has looked
        # Words, meaning, ranks and a re-ranker's scores have no scale in common with the cosines by which texts are compared with each
        # other. Cosines with the query would do for all, but for the last they would undo the order that it was asked for.
        relevance = _scaled([hit.score for hit in pool]) if settings.rerank else vectors @ query
        order = varied(relevance, vectors, settings.k, 1 - settings.variety)
        return [pool[i] for i in order] + found[len(pool) :]

    def save(self, folder: Path) -> None:
        """Write both into a folder, which must exist."""
        self.bm25.save(folder)
        if self.vectors is not None and not (folder / VECTORS).exists():
            np.save(folder / VECTORS, self.vectors, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises TailorError when it cannot be read, or its parts do not fit together."""
        bm25 = Bm25.load(folder)
        try:
            path = folder / VECTORS
            vectors = np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None
        except (OSError, ValueError) as error:
            raise TailorError(
                f"{folder} has no readable vectors", got=type(error).__name__, hint="build it again"
            ) from None
        if vectors is not None and len(vectors) != bm25.count:
            raise TailorError(f"{folder} has {len(vectors)} vectors for {bm25.count} texts", hint="build it again")
        cells = Approximate.load(folder, vectors) if vectors is not None and (folder / CELLS).is_file() else None
        return cls(bm25, vectors, cells)


def ask(queries: Sequence[str], index: TextIndex, settings: SearchSettings, encoder: Encoder | None) -> Asked:
    """The queries, with their vectors where the settings need them."""
    needed = index.vectors is not None and ("dense" in index.retrievers(settings) or settings.variety > 0)
    return Asked(queries, encoder.queries(queries) if encoder is not None and needed else None)


def _scaled(scores: Sequence[float]) -> Scores:
    """Scores from 0, the lowest of them, to 1, the highest; all 1 where they are equal."""
    given = np.array(scores, np.float32)
    span = float(np.ptp(given)) if len(given) else 0.0
    scaled: Scores = (given - given.min()) / span if span else np.ones_like(given)
    return scaled


def _joined(names: Sequence[str], lists: Sequence[list[tuple[int, float]]], settings: SearchSettings) -> list[Found]:
    """Rankings as one list of what was found; a single one keeps its own scores."""
    by: dict[int, dict[str, tuple[int, float]]] = {}
    for name, ranking in zip(names, lists, strict=True):
        for rank, (position, score) in enumerate(ranking, 1):
            by.setdefault(position, {})[name] = (rank, score)
    if len(names) == 1:
        return [Found(position, score, by[position]) for position, score in lists[0]]
    weights = {"bm25": settings.bm25_weight, "dense": settings.dense_weight}
    ranked = reciprocal_rank(
        [[position for position, _ in ranking] for ranking in lists],
        weights=[weights[name] for name in names],
        constant=settings.constant,
    )
    return [Found(position, score, by[position]) for position, score in ranked]
