"""`causal_lm`: each token of a plain text is told from those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tailorlm.core.config import setting
from tailorlm.objectives._plain import PlainSettings, texts_of


class CausalLM:
    """Causal language modelling on plain text (continued pre-training): a model that writes reads the domain before its task.

    Texts are packed: several in one pass, none sees another, nothing is padded. Long ones are cut into pieces that overlap, so that every token is
    learned once and has something before it. Choose it for decoders with much text of the domain; `masked_lm` for encoders. Source:
    Radford et al. 2018; Gururangan et al. 2020 (arXiv:2004.10964).
    """

    class Settings(PlainSettings):
        """Settings of `causal_lm`."""

        with_rows: bool = setting(False, help="with `text`: the train rows' own texts too")
        overlap: int = setting(
            32,
            ge=0,
            le=4096,
            help="tokens of a long text that the next piece sees again and does not learn",
            unit="tokens",
        )

    learns_from: ClassVar[str] = "text"
    head: ClassVar[str] = "causal"

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, ids: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Names and texts to learn from. ids, texts: of the train rows, taken where no file is named."""
        return texts_of(self.settings, ids, texts, both=self.settings.with_rows)
