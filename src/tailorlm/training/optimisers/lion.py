"""`lion`: steps of equal size in every coordinate, along the sign of the momentum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    import torch


class Lion:
    """One moment for each parameter, half of AdamW's state; every coordinate moves by the learning rate.

    Wants a rate three to ten times smaller than AdamW and a weight decay as much larger. Choose it for memory, or as another
    opinion. Source: Chen et al. 2023 (arXiv:2302.06675), algorithm 2.
    """

    class Settings(config.Settings):
        """Settings of `lion`."""

        beta1: float = setting(0.9, ge=0, lt=1, help="share of the momentum in the direction of a step")
        beta2: float = setting(0.99, ge=0, lt=1, help="memory of the momentum")

    def __init__(self, settings: Settings):
        self.settings = settings

    def make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups."""
        import torch

        beta1, beta2 = self.settings.beta1, self.settings.beta2

        class Optimiser(torch.optim.Optimizer):
            def __init__(self) -> None:
                super().__init__(groups, {"lr": 1e-4, "weight_decay": 0.0})

            @torch.no_grad()
            def step(self, closure: Any = None) -> None:  # type: ignore[override]
                for group in self.param_groups:
                    for parameter in group["params"]:
                        if parameter.grad is not None:
                            self._move(parameter, group["lr"], group["weight_decay"])

            def _move(self, parameter: torch.Tensor, lr: float, decay: float) -> None:
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                momentum, gradient = state["exp_avg"], parameter.grad
                assert gradient is not None
                parameter.mul_(1 - lr * decay)
                parameter.add_(momentum.lerp(gradient, 1 - beta1).sign_(), alpha=-lr)
                momentum.lerp_(gradient, 1 - beta2)

        return Optimiser()

    def state_bytes(self, size: tuple[int, ...]) -> int:
        """Bytes kept for a tensor of this size: one moment."""
        return 4 * math.prod(size)
