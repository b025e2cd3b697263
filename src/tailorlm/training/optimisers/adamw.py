"""`adamw`: Adam with decoupled weight decay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    import torch


class AdamW:
    """Steps of about the learning rate in every coordinate, whatever the gradient's size; two moments kept for each parameter.

    The default of the field and of every figure in our docs. Choose `adafactor` or `adamw_8bit` when the moments (8 bytes a
    parameter) do not fit, `sgd` to have no state. Source: Loshchilov and Hutter 2017 (arXiv:1711.05101); torch's fused kernel.
    """

    class Settings(config.Settings):
        """Settings of `adamw`."""

        beta1: float = setting(0.9, ge=0, lt=1, help="memory of the mean gradient")
        beta2: float = setting(0.999, ge=0, lt=1, help="memory of the gradient's size; 0.95 forgets spikes sooner")
        eps: float = setting(1e-8, gt=0, le=1, help="smallest size a gradient is divided by")

    def __init__(self, settings: Settings):
        self.settings = settings

    def make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups."""
        import torch

        s = self.settings
        return torch.optim.AdamW(groups, betas=(s.beta1, s.beta2), eps=s.eps, fused=True)

    def state_bytes(self, size: tuple[int, ...]) -> int:
        """Bytes kept for a tensor of this size: two moments and a counter."""
        return 8 * math.prod(size) + 4
