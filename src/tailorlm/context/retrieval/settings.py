"""What can be set about finding: which encoder reads the texts, and how a query is answered."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailorlm.core.config import Settings, setting


class EncoderSettings(Settings):
    """The model that turns texts and queries into vectors."""

    word: ClassVar[str] = "the encoder's settings"

    model: str = setting(
        "starter",
        help="the encoder: `starter`, a hub id, or a folder: of a model, or an adaptation to `retrieve`",
        min_length=1,
    )
    pooling: Literal["auto", "mean", "cls", "last"] = setting(
        "auto", help="how token states become one vector; auto: as the model's folder says"
    )
    max_length: int = setting(256, ge=8, le=131_072, help="tokens read of a text; what is beyond is not", unit="tokens")
    query_prefix: str = setting("", help="put before each query, where the encoder was trained so ('query: ')")
    text_prefix: str = setting("", help="put before each stored text ('passage: ')")


class SearchSettings(Settings):
    """How a query is answered."""

    word: ClassVar[str] = "the search"

    retriever: Literal["auto", "bm25", "dense", "fused"] = setting(
        "auto", help="words (bm25), meaning (dense) or both (fused); auto: both where there are vectors, else words"
    )
    k: int = setting(5, ge=1, le=1000, help="how many are found")
    depth: int = setting(100, ge=1, le=10_000, help="how many each retriever brings before they are joined")
    constant: float = setting(60, gt=0, le=10_000, help="of reciprocal rank: larger, and first places stand out less")
    bm25_weight: float = setting(1.0, ge=0, le=100, help="what a rank by words weighs when both are joined")
    dense_weight: float = setting(1.0, ge=0, le=100, help="what a rank by meaning weighs when both are joined")
    variety: float = setting(
        0.0, ge=0, le=1, help="0: the most relevant; towards 1: less alike among themselves (MMR, needs vectors)"
    )
    probes: int = setting(32, ge=1, le=65_536, help="cells looked at where an index has them (engine: faiss)")
    rerank: str | None = setting(None, help="a cross-encoder (a folder or hub id) that puts the first in order again")
    rerank_depth: int = setting(30, ge=1, le=1000, help="how many of the first it reads; each costs a forward pass")
