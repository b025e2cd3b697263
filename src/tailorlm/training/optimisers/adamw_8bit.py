"""`adamw_8bit`: AdamW whose moments are kept in 8 bits, through bitsandbytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError, UsageError

if TYPE_CHECKING:
    import torch


class AdamW8bit:
    """AdamW with both moments quantised block by block: 2 bytes of state a parameter instead of 8.

    Needs a GPU and the extra `quant`. Tensors of fewer than 4,096 numbers keep 32 bits. Choose it when full tuning of a large model
    fails for memory; `adafactor` needs less still, on any device.
    Source: Dettmers et al. 2021 (arXiv:2110.02861), bitsandbytes.
    """

    class Settings(config.Settings):
        """Settings of `adamw_8bit`."""

        beta1: float = setting(0.9, ge=0, lt=1, help="memory of the mean gradient")
        beta2: float = setting(0.999, ge=0, lt=1, help="memory of the gradient's size")
        eps: float = setting(1e-8, gt=0, le=1, help="smallest size a gradient is divided by")

    whole_tensors = True  # works on matrices, not number by number: no share of one will do

    def __init__(self, settings: Settings):
        self.settings = settings

    def make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups; TailorError without a GPU or without bitsandbytes."""
        if any(parameter.device.type != "cuda" for group in groups for parameter in group["params"]):
            raise UsageError("adamw_8bit works on a GPU only", got="parameters on the CPU", hint="optimiser: adafactor")
        try:
            from bitsandbytes.optim import AdamW8bit as Optimiser
        except ImportError:
            raise TailorError("adamw_8bit needs bitsandbytes", hint="pip install 'tailorlm[quant]'") from None
        s = self.settings
        made: torch.optim.Optimizer = Optimiser(groups, betas=(s.beta1, s.beta2), eps=s.eps)
        return made

    def state_bytes(self, size: tuple[int, ...]) -> int:
        """Bytes kept for a tensor of this size: two moments in 8 bits, with a scale for every 256 numbers; small ones in 32 bits."""
        count = math.prod(size)
        return 2 * count + 8 * math.ceil(count / 256) if count >= 4096 else 8 * count
