"""`domain_distance`: right answers on rows of one domain, while the vectors of another domain's texts are drawn near theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.objectives._plain import PlainSettings, texts_of
from tailorlm.objectives.labels import Labels

if TYPE_CHECKING:
    from torch import Tensor

# Bandwidths of the kernels, as multiples of the median squared distance.
KERNELS = (0.25, 0.5, 1.0, 2.0, 4.0)


class DomainDistance:
    """The task's loss on labelled source rows, plus strength times how far unlabelled target texts lie from them.

    Distances are taken over the pooled vectors of the rows of a step and as many texts of the target. `mmd`: maximum mean discrepancy under five
    Gaussian kernels around the median distance; `coral`: squared difference of the covariances; `adversarial`: a small classifier learns to
    tell the domains apart, and the body to deceive it. Needs text of the target (`text`) and no label of it. Choose it when source and target
    differ in words and not in what is asked; a stage of `masked_lm` over text of both, before the task, is the other way without labels of
    the target (`benchmarks/domain_adaptation.py` compares them).
    Sources: Gretton et al. 2012 and Long et al. 2015 (arXiv:1502.02791, mmd), Sun and Saenko 2016
    (1607.01719, coral), Ganin et al. 2016 (1505.07818, adversarial).
    """

    class Settings(PlainSettings):
        """Settings of `domain_distance`."""

        kind: Literal["mmd", "coral", "adversarial"] = setting("mmd", help="what is measured between the domains")
        strength: float = setting(
            1.0,
            ge=0,
            le=1e9,
            help="weight of the distance beside the task's loss; coral, divided by 4 width² as in its paper, wants thousands and more",
        )
        rise: int = setting(
            0, ge=0, le=1000, help="passes in which the strength rises from nothing to all of it", unit="passes"
        )
        smoothing: float = setting(0.0, ge=0, lt=1, help="label smoothing of the task's loss")

    learns_from: ClassVar[str] = "domains"
    bundles: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings
        self.labels = Labels(Labels.Settings(smoothing=settings.smoothing))

    def texts(self) -> tuple[list[str], list[str]]:
        """Names and texts of the target. UsageError where no file is named."""
        if self.settings.text is None:
            raise UsageError(
                "domain_distance needs unlabelled texts of the target domain",
                hint="objective: {part: domain_distance, text: target.csv}, or --set stages.0.objective.text=target.csv",
            )
        return texts_of(self.settings, [], [])

    def weight(self, epoch: int) -> float:
        """The strength in pass `epoch` (from 0)."""
        return self.settings.strength * min(1.0, epoch / self.settings.rise if self.settings.rise else 1.0)

    def distance(self, source: Tensor, target: Tensor) -> Tensor:
        """The distance of two samples of vectors, (rows, width) each, by `kind` (not for `adversarial`, which has to learn one)."""
        return coral(source, target) if self.settings.kind == "coral" else mmd(source, target)


def mmd(source: Tensor, target: Tensor, kernels: Sequence[float] = KERNELS) -> Tensor:
    """Squared maximum mean discrepancy of two samples, (n, width) and (m, width): the biased estimate, never negative.

    The kernel is the mean of exp(-d² / (factor * median)) over the factors; median: of the squared distances between different rows of both.
    """
    import torch

    both = torch.cat([source, target])
    apart = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist").square()
    others = ~torch.eye(len(both), dtype=torch.bool, device=both.device)
    median = apart.detach()[others].median().clamp_min(1e-12)
    kernel = torch.stack([torch.exp(-apart / (factor * median)) for factor in kernels]).mean(0)
    n = len(source)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def coral(source: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius norm of the difference of the covariances (n - 1), over 4 width². Two rows of each domain at least."""
    difference = source.T.cov() - target.T.cov()
    return difference.square().sum() / (4 * source.shape[1] ** 2)
