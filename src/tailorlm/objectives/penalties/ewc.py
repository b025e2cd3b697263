"""`ewc`: a pull towards the start, stronger for weights that mattered to rows of an old task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tailorlm.objectives.penalties._base import Scene, Term


class EWC:
    """Add strength / 2 times the squared distance of each weight from its start, times how much old rows depend on it.

    That dependence is the diagonal of the Fisher information: the mean squared gradient of the log probability that the model, with a head
    fitted to the old rows, gives to answers of its own (`labels: drawn`) or to the right ones (`given`). Elastic weight consolidation needs some
    old rows once, before the first step, and memory for two copies of what learns. Choose `l2_sp` without old rows; mix old rows
    in where they may be learnt from again, which holds more. Source: Kirkpatrick et al. 2017 (arXiv:1612.00796), equation 3.
    """

    class Settings(config.Settings):
        """Settings of `ewc`."""

        strength: float = setting(
            1000.0, ge=0, le=1e12, help="pull towards the start, before it is multiplied with the Fisher information"
        )
        rows: str = setting(
            "",
            file=True,
            help="a file with old rows, with this task's columns; without it those of tasks that earlier stages learnt",
        )
        count: int = setting(200, ge=1, le=1_000_000, help="how many of them are looked at", unit="rows")
        labels: Literal["drawn", "given"] = setting(
            "drawn",
            help="whose answers: drawn from the model's own probabilities, or the rows' labels (quicker to settle)",
        )

    def __init__(self, settings: Settings):
        self.settings = settings

    def begin(self, scene: Scene) -> Term:
        """The penalty from these starting weights on. UsageError where there are no old rows."""
        import torch

        body = {name: p for name, p in scene.learning.items() if name not in scene.head}
        if not body:
            raise UsageError(
                "ewc holds nothing where the head alone learns", hint="leave the penalty out, or weights: lora"
            )
        rows = scene.old(self.settings.rows, self.settings.count)
        weight = diagonal_fisher(rows, body, drawn=self.settings.labels == "drawn")
        start = {name: p.detach().clone() for name, p in body.items()}

        def term() -> torch.Tensor:
            total = torch.zeros((), device=next(iter(scene.learning.values())).device)
            for name, parameter in body.items():
                total = total + self.settings.strength / 2 * (weight[name] * (parameter - start[name]).square()).sum()
            return total

        return term


def diagonal_fisher(
    rows: Iterable[tuple[Tensor, Tensor]], parameters: Mapping[str, nn.Parameter], *, drawn: bool
) -> dict[str, Tensor]:
    """Mean over rows of the squared gradient of the log probability of an answer, by parameter.

    rows: one at a time, scores (places, labels) with gradients and codes (places,). drawn: answers drawn from the scores (the Fisher
    information itself), with a generator of its own, in place of the codes (the empirical one).
    """
    import torch

    random = torch.Generator().manual_seed(0)
    found = {name: torch.zeros_like(p) for name, p in parameters.items()}
    seen = 0
    for scores, codes in rows:
        logs = scores.log_softmax(-1)
        if drawn:
            codes = torch.multinomial(logs.detach().exp().cpu(), 1, generator=random)[:, 0].to(scores.device)
        gradients = torch.autograd.grad(
            logs.gather(1, codes[:, None]).sum(), list(parameters.values()), allow_unused=True
        )
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                found[name] += gradient.square()
        seen += 1
    return {name: total / max(1, seen) for name, total in found.items()}
