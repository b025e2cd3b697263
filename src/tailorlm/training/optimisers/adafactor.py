"""`adafactor`: AdamW's second moment as one row and one column for each matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    import torch


class Adafactor:
    """Adaptive steps with almost no state: a matrix of n x m keeps n + m numbers instead of 2 n m.

    Steps are relative to the size of each tensor and clipped. Choose it when AdamW's moments do not fit; expect a little slower learning.
    Source: Shazeer and Stern 2018 (arXiv:1804.04235); torch's own, without the schedule of the paper (ours is used).
    """

    class Settings(config.Settings):
        """Settings of `adafactor`."""

        beta2_decay: float = setting(-0.8, ge=-1, lt=0, help="how fast the memory of the gradient's size grows")
        clip_threshold: float = setting(1.0, ge=1, le=1e3, help="largest root mean square of a tensor's step")

    whole_tensors = True  # works on matrices, not number by number: no share of one will do

    def __init__(self, settings: Settings):
        self.settings = settings

    def make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups."""
        import torch

        s = self.settings
        return torch.optim.Adafactor(groups, beta2_decay=s.beta2_decay, d=s.clip_threshold)

    def state_bytes(self, size: tuple[int, ...]) -> int:
        """Bytes kept for a tensor of this size: a row and a column of each matrix, or all of a vector, and a counter."""
        if len(size) < 2:
            return 4 * math.prod(size) + 4
        return 4 * math.prod(size[:-2]) * (size[-2] + size[-1]) + 4
