"""`labels`: cross-entropy between the model's scores and each row's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from torch import Tensor


class Labels:
    """Supervised learning of labels.

    `losses` returns one loss a row; the loop divides their sum by the labels of the whole optimiser step, so that accumulation and
    uneven batches change nothing.
    """

    class Settings(config.Settings):
        """Settings of `labels`."""

        smoothing: float = setting(
            0.0, ge=0, lt=1, help="label smoothing: share of the target spread over all labels, against overconfidence"
        )

    def __init__(self, settings: Settings):
        self.settings = settings

    def losses(self, scores: Tensor, codes: Tensor) -> Tensor:
        """scores: (rows, labels). codes: (rows,). Returns the cross-entropy of each row, (rows,), in nats."""
        import torch

        return torch.nn.functional.cross_entropy(
            scores, codes, reduction="none", label_smoothing=self.settings.smoothing
        )
