"""`search`: how the passages that answer a query are found: by meaning, by words, or by both."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailorlm.core import config
from tailorlm.core.config import setting


class Search:
    """For the task `retrieve`: vectors of the encoder (dense), words (BM25), or both rankings joined (fused).

    A recipe without a context searches by vectors. Nothing here learns; `dense` and `fused` take the encoder as the stages have left it. Words
    need no model and are the line to beat: choose them for names, codes and rare words. Both together usually find the most before anything is
    tuned. Sources: Robertson & Zaragoza 2009 (BM25); Cormack, Clarke & Büttcher 2009 (doi:10.1145/1571941.1572114) for joining.
    """

    class Settings(config.Settings):
        """Settings of `search`."""

        retriever: Literal["dense", "bm25", "fused"] = setting(
            "dense", help="by meaning (dense), by words (bm25), or both joined by rank (fused)"
        )
        k1: float = setting(1.5, ge=0, le=10, help="BM25: how much a repeated word still adds")
        b: float = setting(0.75, ge=0, le=1, help="BM25: how much long passages are held back; 0 for not at all")
        dense_weight: float = setting(1.0, ge=0, le=100, help="fused: what a rank by meaning weighs; one by words 1")

    needs_rows: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings
