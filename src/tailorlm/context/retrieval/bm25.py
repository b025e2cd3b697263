"""BM25: texts ranked by the words they share with a query, rare words first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from tailorlm.context.retrieval.rank import Scores, best
from tailorlm.context.retrieval.words import terms
from tailorlm.core.errors import TailorError

_ARRAYS = {"data": np.float32, "indices": np.int32, "indptr": np.int64}


class Bm25:
    """Texts that are found by their words, on bm25s (scores of every word in every text, computed once and stored sparsely).

    k1: how much a repeated word still adds. b: how much long texts are held back (0: not at all). Scores are Lucene's.
    Memory: 8 bytes for each different word of each text, and the vocabulary; building holds the words of all texts as 4-byte
    numbers besides. A query costs in proportion to how often its words occur, and 4 bytes a text.
    Source: Robertson & Zaragoza 2009; Lù 2024, arXiv:2407.03618. Choose it for names, codes, numbers and rare words, where vectors
    are vague, and wherever no encoder is at hand; `Flat` finds what is said in other words.
    """

    def __init__(self, k1: float = 1.5, b: float = 0.75):
        self.k1, self.b = k1, b
        self.count = 0
        self._vocabulary: dict[str, int] = {}
        self._found: dict[str, Any] = {}

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the words of the texts; they are gone through once and not kept."""
        vocabulary: dict[str, int] = {}
        rows = [
            np.array([vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)], np.int32) for text in texts
        ]
        self._vocabulary, self.count = vocabulary, len(rows)
        if vocabulary:
            built = self._engine().build_index_from_ids(range(len(vocabulary)), _Listed(rows), show_progress=False)
            self._found = {name: np.asarray(built[name], kind) for name, kind in _ARRAYS.items()}
        else:
            # Texts without a single word have no average length to divide by.
            self._found = {name: np.zeros(int(name == "indptr"), kind) for name, kind in _ARRAYS.items()}
        return self

    def scores(self, query: str) -> Scores:
        """(texts,) float32; 0 where no word is shared, never below. A word that stands twice in the query counts twice."""
        known = [self._vocabulary[term] for term in terms(query) if term in self._vocabulary]
        if not known:
            return np.zeros(self.count, np.float32)
        engine = self._engine()
        engine.scores = {**self._found, "num_docs": self.count}
        engine.nonoccurrence_array = None
        found: Scores = engine.get_scores_from_ids(known)
        return found

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The `k` best texts as (position, score), best first, ties by position; texts without a shared word never."""
        scores = self.scores(query)
        return [(int(i), float(scores[i])) for i in best(scores, k) if scores[i] > 0]

    def save(self, folder: Path) -> None:
        """Write arrays and vocabulary into a folder, which must exist."""
        for name in _ARRAYS:
            np.save(folder / f"bm25-{name}.npy", self._found[name], allow_pickle=False)
        facts = {"k1": self.k1, "b": self.b, "count": self.count, "vocabulary": list(self._vocabulary)}
        (folder / "bm25.json").write_bytes(json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the arrays stay on the disk until they are needed. Raises TailorError for anything else."""
        try:
            facts = json.loads((folder / "bm25.json").read_bytes().decode("utf-8", "surrogatepass"))
            made = cls(facts["k1"], facts["b"])
            made.count = facts["count"]
            made._vocabulary = {term: i for i, term in enumerate(facts["vocabulary"])}
            made._found = {
                name: np.load(folder / f"bm25-{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
            }
            return made
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TailorError(
                f"{folder} has no readable word index", got=type(error).__name__, hint="build it again"
            ) from None

    def _engine(self) -> Any:
        import bm25s

        return bm25s.BM25(k1=self.k1, b=self.b, method="lucene", backend="numpy")


class _Listed:
    """Rows of word numbers that become lists one at a time: Python's numbers take nine times the room of numpy's."""

    def __init__(self, rows: list[Any]):
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[list[int]]:
        return (row.tolist() for row in self._rows)
