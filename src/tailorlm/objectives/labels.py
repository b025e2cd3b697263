"""`labels`: cross-entropy between the model's scores and each row's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from torch import Tensor


class Labels:
    """Supervised learning of labels.

    `loss` returns the sum over the rows given and how many labels that sum counts; the loop divides by the labels of the
    whole optimiser step, so that accumulation and uneven batches change nothing.
    """

    class Settings(config.Settings):
        """Settings of `labels`."""

        smoothing: float = setting(
            0.0, ge=0, lt=1, help="label smoothing: share of the target spread over all labels, against overconfidence"
        )

    def __init__(self, settings: Settings):
        self.settings = settings

    def loss(self, scores: Tensor, codes: Tensor) -> tuple[Tensor, int]:
        """scores: (rows, labels). codes: (rows,). Returns the summed cross-entropy in nats and the number of labels."""
        import torch

        total = torch.nn.functional.cross_entropy(
            scores, codes, reduction="sum", label_smoothing=self.settings.smoothing
        )
        return total, len(codes)
