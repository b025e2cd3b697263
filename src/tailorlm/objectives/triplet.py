"""`triplet`: a query's right passage comes nearer to it than a wrong one, by a margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.objectives._search import NegativesSettings

if TYPE_CHECKING:
    from torch import Tensor


class Triplet:
    """How far a wrong passage's cosine comes up to the right one's, less a margin; the mean over a query's own wrong passages.

    A query without wrong passages of its own, given or mined, is told from the likest wrong one of its step. Choose it where wrong passages
    were picked with care and cosines themselves are to be used (a bar above which a passage counts); `ranking` sees more wrong
    passages a step and usually finds more. Source: Schroff et al. 2015 (arXiv:1503.03832), with cosines.
    """

    class Settings(NegativesSettings):
        """Settings of `triplet`."""

        margin: float = setting(0.2, gt=0, le=2, help="how much likelier the right passage has to be, in cosine")

    learns_from: ClassVar[str] = "queries"
    bundles: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def losses(self, queries: Tensor, passages: Tensor, own: Tensor, wrong: Tensor, hard: Tensor) -> Tensor:
        """Cosines, (queries,), 0 where the margin holds; what is given is what `ranking` takes."""
        import torch
        from torch.nn import functional

        likeness = functional.normalize(queries, dim=-1) @ functional.normalize(passages, dim=-1).T
        right = likeness[torch.arange(len(own), device=own.device), own]
        likest = likeness.detach().masked_fill(~wrong, -2.0).argmax(dim=1)
        in_step = torch.zeros_like(wrong)
        in_step[torch.arange(len(own), device=own.device), likest] = True
        told_from = torch.where(hard.any(dim=1, keepdim=True), hard, in_step & wrong)
        short = (self.settings.margin - right[:, None] + likeness).clamp_min(0) * told_from
        return short.sum(dim=1) / told_from.sum(dim=1).clamp_min(1)
