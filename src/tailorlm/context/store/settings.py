"""What a store is made with; rows that are added later are treated alike."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.core.config import Settings, setting


class StoreSettings(Settings):
    """How examples can be found."""

    word: ClassVar[str] = "the store's settings"

    encoder: EncoderSettings | None = setting(
        EncoderSettings(), help="the model that reads rows for search by meaning; null: words alone"
    )
    store: Literal["float32", "float16"] = setting("float32", help="how vectors are kept; float16 takes half the room")
    k1: float = setting(1.5, ge=0, le=10, help="BM25: how much a repeated word still adds")
    b: float = setting(0.75, ge=0, le=1, help="BM25: how much long rows are held back")
