"""`instruction`: the model is shown what the labels mean, and nothing else (zero-shot)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from tailorlm.models.heads import Linear


class Instruction:
    """Rows against words for the labels: the label whose words lie nearest to the text, by cosine, is the answer.

    Needs no labelled row at all. Choose it when there are none, or as the floor that everything else must beat; its quality hangs
    on the words, so give `descriptions` where label names are codes. With ten rows a label, `examples` and `features` pass it.
    """

    class Settings(config.Settings):
        """Settings of `instruction`."""

        template: str = setting(
            "{}", help="how a label's words are put before the model; `{}` stands for them", pattern=r"\{\}"
        )

    needs_rows: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, label_texts: Sequence[str]) -> list[str]:
        """What is encoded for each label."""
        return [self.settings.template.replace("{}", words) for words in label_texts]

    def head(self, vectors: np.ndarray, codes: np.ndarray, labels: int) -> Linear:
        """vectors: (labels, width) of `texts`, in label order. Returns the head that answers by cosine."""
        import torch

        from tailorlm.models.heads import Linear

        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return Linear(torch.from_numpy(unit[np.argsort(codes)]), torch.zeros(labels), normalise=True)
