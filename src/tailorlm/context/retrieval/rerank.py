"""The first of a ranking put in order again by a model that reads query and text together."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from tailorlm.models.resolve import resolve

if TYPE_CHECKING:
    from tailorlm.context.retrieval.text_index import Found
    from tailorlm.models.cross_encoder import CrossEncoder


class Reranker:
    """Orders what was found by a cross-encoder; what it did not read follows in its old order, below."""

    def __init__(self, model: CrossEncoder):
        self.model = model

    @staticmethod
    @lru_cache(maxsize=2)
    def load(name: str) -> Reranker:
        """The re-ranker of a folder or hub id; loaded once. Raises TailorError when it is no cross-encoder."""
        from tailorlm.models.cross_encoder import load_cross_encoder

        return Reranker(load_cross_encoder(resolve(name)))

    def again(self, query: str, found: list[Found], text_of: Callable[[int], str], depth: int) -> list[Found]:
        """The first `depth` by the model's scores (ties: old order), with their old scores kept under `by`."""
        first, rest = found[:depth], found[depth:]
        scores = self.model.scores([(query, text_of(hit.position)) for hit in first])
        order = sorted(range(len(first)), key=lambda i: (-round(float(scores[i]), 5), i))
        again = []
        for rank, i in enumerate(order, 1):
            score = float(scores[i])
            again.append(first[i]._replace(score=score, by={**first[i].by, "rerank": (rank, score)}))
        return again + rest
