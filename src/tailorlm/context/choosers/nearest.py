"""`nearest`: k rows for each query, those most like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tailorlm.context.choosers.balanced import in_turn
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.store import ExampleStore, Query
from tailorlm.core import config
from tailorlm.core.config import setting


class Nearest:
    """The train rows most like the query, by words, by meaning, or both; optionally varied, and with labels in turn.

    balance: among the `pool` nearest, every label comes once before any comes twice, nearest first. Choose it wherever train rows are
    more than fit into a prompt: it is the strongest of the choosers for classification and lookup, and takes rows in without
    training; each prompt is different, so nothing but the instruction is shared between them.
    Source: Liu et al. 2022, arXiv:2101.06804; for BM25, Rubin et al. 2022, arXiv:2112.08633.
    """

    class Settings(config.Settings):
        """Settings of `nearest`."""

        k: int = setting(4, ge=0, le=1000, help="how many rows are shown; 0 for none", unit="rows", search=(2, 4, 8))
        retriever: Literal["auto", "bm25", "dense", "fused"] = setting(
            "auto", help="by words, by meaning, or both; auto: both where the store has vectors"
        )
        variety: float = setting(0.0, ge=0, le=1, help="towards 1: less alike among themselves (MMR)")
        balance: bool = setting(False, help="whether labels take turns among the nearest")
        pool: int = setting(100, ge=1, le=10_000, help="how many of the nearest balance and variety choose from")

    per_query: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def order(self, store: ExampleStore, queries: Sequence[Query]) -> list[list[int]]:
        """Positions in the store, for every query, the nearest first."""
        s = self.settings
        if not s.k:
            return [[] for _ in queries]
        width = max(s.pool, s.k) if s.balance else s.k
        search = SearchSettings(retriever=s.retriever, k=min(width, 1000), depth=max(s.pool, s.k), variety=s.variety)
        answers = []
        for found in store.search(queries, search):
            near = [hit.position for hit in found]
            kept = set(in_turn(near, store)[: s.k]) if s.balance else set(near[: s.k])
            answers.append([i for i in near if i in kept])
        return answers
