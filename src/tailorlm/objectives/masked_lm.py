"""`masked_lm`: some words of a plain text are hidden, and told from what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tailorlm.core.config import setting
from tailorlm.objectives._plain import HeadSettings, texts_of


class MaskedLM:
    """Masked language modelling on plain text: the encoder reads the domain before (or beside) its task.

    Whole words are hidden, others in every pass; of the hidden tokens 80% are shown as the mask, 10% as a random token, 10% as they are. Only hidden
    positions meet the vocabulary. The model's own head over its vocabulary is used as it is; where its folder holds none (sentence
    encoders), one is made over its embeddings, and learns. Choose it before a task when there is much text of the domain and few labels (Gururangan
    et al. 2020, arXiv:2004.10964); `causal_lm` for models that write. Source: Devlin et al. 2018 (arXiv:1810.04805).
    """

    class Settings(HeadSettings):
        """Settings of `masked_lm`."""

        with_rows: bool = setting(False, help="with `text`: the train rows' own texts too")
        share: float = setting(0.15, gt=0, le=0.9, help="share of the words that are hidden")
        hidden: Literal["words", "tokens"] = setting("words", help="whether words are hidden whole, or token by token")

    learns_from: ClassVar[str] = "text"
    head: ClassVar[str] = "masked"

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, ids: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Names and texts to learn from. ids, texts: of the train rows, taken where no file is named."""
        return texts_of(self.settings, ids, texts, both=self.settings.with_rows)
