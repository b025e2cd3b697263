"""`distill`: a smaller model learns what a teacher answers, beside or in place of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.tasks.base import Target


class Distill:
    """Learn from a teacher's softened scores, with a share of the rows' own labels and, if wanted, its vectors.

    How sure a teacher is of every label says more of a row than the label, and rows without labels can be learnt from as well. The teacher's answers
    are computed once a row and kept. The student is the recipe's base, whole or with fewer blocks (`layers: 3`). Choose it when a
    large adaptation is good and too slow to serve; without a better teacher `labels` is the same and cheaper. Sources: Hinton et al.
    2015 (arXiv:1503.02531, scores), Romero et al. 2015 (1412.6550, vectors through a learned projection), Sanh et al. 2019 (1910.01108,
    every second block as the student).
    """

    class Settings(config.Settings):
        """Settings of `distill`."""

        teacher: str = setting(
            "", help="an adaptation folder of the same labels, or a model with its own classification head"
        )
        temperature: float = setting(2.0, gt=0, le=100, help="what scores are divided by: more shows the smaller ones")
        labels: float = setting(
            0.5, ge=0, le=1, help="share of the loss from the rows' own labels; the rest is the teacher's"
        )
        hidden: float = setting(
            0.0, ge=0, le=1e6, help="weight of the squared distance to the teacher's vectors; 0 leaves them out"
        )
        rows: str | None = setting(
            None,
            file=True,
            help="a file with more rows for the teacher to answer; their labels, if any, are not read",
            min_length=1,
        )

    learns_from: ClassVar[str] = "teacher"
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def soft(self, scores: Tensor, taught: Tensor, target: Target) -> Tensor:
        """What the student's scores miss of the teacher's, (rows,). Both (rows, outputs).

        `one`: Kullback-Leibler divergence of the softmaxes at the temperature, times its square (so that gradients do not shrink with it);
        `many`: the same of every output's own yes and no, summed; `number`: half the squared distance.
        """
        from torch.nn import functional

        heat = self.settings.temperature
        if target == "number":
            return 0.5 * (scores - taught).square().sum(1)
        if target == "many":
            wanted = (taught / heat).sigmoid()
            cross = functional.binary_cross_entropy_with_logits(scores / heat, wanted, reduction="none")
            own = functional.binary_cross_entropy_with_logits(taught / heat, wanted, reduction="none")
            return heat**2 * (cross - own).sum(1)
        logs, wanted = (scores / heat).log_softmax(1), (taught / heat).log_softmax(1)
        return heat**2 * functional.kl_div(logs, wanted, reduction="none", log_target=True).sum(1)

    def losses(self, scores: Tensor, taught: Tensor, hard: Tensor, target: Target = "one") -> Tensor:
        """Loss of each row, (rows,): the teacher's part, and `hard`, (rows,), the labels' part, which is 0 for rows without."""
        share = self.settings.labels
        return (1 - share) * self.soft(scores, taught, target) + share * hard

    def far(self, vectors: Tensor, taught: Tensor) -> Tensor:
        """Mean squared distance of the projected vectors from the teacher's, times `hidden`, (rows,). Both (rows, teacher's width)."""
        return self.settings.hidden * (vectors - taught).square().mean(1)
