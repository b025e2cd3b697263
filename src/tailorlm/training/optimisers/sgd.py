"""`sgd`: steps along the gradient, with momentum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    import torch


class SGD:
    """Plain gradient steps with momentum: one state for each parameter, none with momentum 0.

    Transformers learn slowly with it and want rates hundreds of times those of AdamW. Choose it for a head alone, or as a yardstick.
    Source: Sutskever et al. 2013; torch's own.
    """

    class Settings(config.Settings):
        """Settings of `sgd`."""

        momentum: float = setting(0.9, ge=0, lt=1, help="memory of earlier steps")
        nesterov: bool = setting(False, help="look ahead along the momentum (needs momentum above 0)")

    def __init__(self, settings: Settings):
        self.settings = settings

    def make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups; nesterov without momentum is a UsageError."""
        import torch

        from tailorlm.core.errors import UsageError

        s = self.settings
        if s.nesterov and not s.momentum:
            raise UsageError("nesterov needs momentum", got="momentum: 0", allowed="momentum above 0")
        return torch.optim.SGD(groups, lr=1e-3, momentum=s.momentum, nesterov=s.nesterov)

    def state_bytes(self, size: tuple[int, ...]) -> int:
        """Bytes kept for a tensor of this size: the momentum, if there is one."""
        return 4 * math.prod(size) if self.settings.momentum else 0
