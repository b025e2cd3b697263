"""`l2_sp`: a pull of the weights towards where they started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from tailorlm.objectives.penalties._base import Scene, Term


class L2SP:
    """Add strength / 2 times the squared distance from the starting weights, and head / 2 times the squared size of the head.

    Weight decay pulls towards zero, which means nothing to a trained model; this pulls towards what it knew. Needs no old rows and no
    memory but a copy of what learns. Every weight is held alike: choose `ewc` where rows of the old task are at hand, which holds those
    that mattered to it. Source: Li et al. 2018 (arXiv:1802.01483), equation 4.
    """

    class Settings(config.Settings):
        """Settings of `l2_sp`."""

        strength: float = setting(0.1, ge=0, le=1e6, help="pull towards the start; more forgets less and learns less")
        head: float = setting(0.01, ge=0, le=1e6, help="pull of the new head towards zero")

    def __init__(self, settings: Settings):
        self.settings = settings

    def begin(self, scene: Scene) -> Term:
        """The penalty from these starting weights on."""
        import torch

        body = {name: p for name, p in scene.learning.items() if name not in scene.head}
        start = {name: p.detach().clone() for name, p in body.items()}
        new = [scene.learning[name] for name in sorted(scene.head & set(scene.learning))]

        def term() -> torch.Tensor:
            total = torch.zeros((), device=next(iter(scene.learning.values())).device)
            for name, parameter in body.items():
                total = total + self.settings.strength / 2 * (parameter - start[name]).square().sum()
            for parameter in new:
                total = total + self.settings.head / 2 * parameter.square().sum()
            return total

        return term
