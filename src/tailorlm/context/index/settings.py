"""What an index is made with; it is kept in its manifest, and what is added later is treated alike."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.core.config import Settings, setting


class IndexSettings(Settings):
    """How documents become passages, and passages something that can be found."""

    word: ClassVar[str] = "the index's settings"

    size: int = setting(1000, ge=50, le=100_000, help="characters of a passage, at most", unit="characters")
    overlap: int | None = setting(
        None,
        ge=0,
        help="characters that a passage repeats of the one before, so that no answer is cut; null: 15 % of size",
        unit="characters",
    )
    headings: bool = setting(True, help="whether the title and the headings above a passage are searched along with it")
    encoder: EncoderSettings | None = setting(
        EncoderSettings(), help="the model that reads passages for search by meaning; null: words alone"
    )
    store: Literal["float32", "float16"] = setting(
        "float32", help="how vectors are kept; float16 takes half the room and moves cosines by less than 0.001"
    )
    engine: Literal["flat", "faiss"] = setting(
        "flat", help="compare with every vector, or with those of the nearest cells (extra faiss; from a million on)"
    )
    k1: float = setting(1.5, ge=0, le=10, help="BM25: how much a repeated word still adds")
    b: float = setting(0.75, ge=0, le=1, help="BM25: how much long passages are held back")

    @model_validator(mode="after")
    def _room_to_go_on(self) -> IndexSettings:
        if self.repeated * 2 >= self.size:
            raise ValueError(f"overlap: must be less than half of size ({self.size})")
        if self.engine == "faiss" and self.encoder is None:
            raise ValueError("engine: faiss searches vectors, and without an encoder there are none")
        return self

    @property
    def repeated(self) -> int:
        """Characters that a passage repeats of the one before."""
        return self.size * 3 // 20 if self.overlap is None else self.overlap
