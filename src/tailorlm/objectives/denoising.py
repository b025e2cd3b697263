"""`denoising`: a text is written again from the vector of what is left when words were taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tailorlm.core.config import setting
from tailorlm.objectives._plain import HeadSettings, texts_of


class Denoising:
    """Learn a text's vector by writing the whole text from it, when most of its words were hidden from the encoder (TSDAE).

    All that the decoder knows of the text is one vector, so that vector has to hold it. The decoder (a block or two over the encoder's
    own embeddings) is made for this and dropped afterwards; it begins afresh and learns alone for `warm_up` passes. Choose it for
    sentence encoders with thousands of texts of a domain and no labels; `masked_lm` where single tokens are read, `contrastive` with
    labels. Source: Wang et al. 2021 (arXiv:2104.06979); theirs attends to the vector, ours reads it as the first token.
    """

    class Settings(HeadSettings):
        """Settings of `denoising`."""

        delete: float = setting(0.6, gt=0, lt=1, help="share of the words that the encoder is not shown")
        blocks: int = setting(1, ge=1, le=48, help="blocks of the decoder that is made", unit="blocks")

    learns_from: ClassVar[str] = "text"
    head: ClassVar[str] = "decoder"

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, ids: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Names and texts to learn from. ids, texts: of the train rows, taken where no file is named."""
        return texts_of(self.settings, ids, texts)
