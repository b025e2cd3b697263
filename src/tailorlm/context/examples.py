"""`examples`: the model is shown labelled rows chosen for each query (dynamic in-context examples)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from tailorlm.models.heads import Nearest


class Examples:
    """The k nearest train rows by cosine; for an encoder, which writes nothing, their labels vote.

    Rows come from train alone. New rows can join later without any training, which is the cheapest answer to drift. Choose it when
    labels come and go, or rows are many and labels fine; `features` is smaller, faster and smoother on the same vectors.
    Source: Cover & Hart 1967 for the rule; Liu et al. 2022 (arXiv:2101.06804) for nearest rows as context.
    """

    class Settings(config.Settings):
        """Settings of `examples`."""

        k: int = setting(
            5, ge=1, le=1000, help="how many train rows answer together", unit="rows", search=(1, 3, 5, 10)
        )

    needs_rows: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, train_texts: Sequence[str]) -> list[str]:
        """What is encoded: the train rows as they are."""
        return list(train_texts)

    def head(self, vectors: np.ndarray, codes: np.ndarray, labels: int) -> Nearest:
        """vectors: (train rows, width), codes: (train rows,). Returns the head that votes."""
        import torch

        from tailorlm.models.heads import Nearest

        return Nearest(torch.from_numpy(vectors), torch.from_numpy(codes), labels=labels, k=self.settings.k)
