"""`ranking`: each query finds its passage among those of its step (in-batch negatives)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.objectives._search import NegativesSettings

if TYPE_CHECKING:
    from torch import Tensor


class Ranking:
    """Cross-entropy of a query's right passage among all passages of its step, by cosine over a temperature.

    The passages of the other queries are the wrong ones, `train.rows_per_step` says how many; its own wrong passages, given or mined, join them.
    A passage that answers the query too, or is the same text, is left out for it. Choose it for pairs and triplets alike; `mined: 8` where
    the frozen encoder already finds most, and a second stage with `mined` where passages are to look hard to the encoder that the first
    has made. `triplet` looks at one wrong passage at a time. Sources: Henderson et al. 2017 (arXiv:1705.00652), van den Oord et
    al. 2018 (arXiv:1807.03748); hard ones beside in-batch ones, Karpukhin et al. 2020 (arXiv:2004.04906).
    """

    class Settings(NegativesSettings):
        """Settings of `ranking`."""

        temperature: float = setting(
            0.05, gt=0, le=10, help="what cosines are divided by: less looks harder at the nearest passages"
        )

    learns_from: ClassVar[str] = "queries"
    bundles: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def losses(self, queries: Tensor, passages: Tensor, own: Tensor, wrong: Tensor, hard: Tensor) -> Tensor:
        """Nats, (queries,).

        queries: (queries, width). passages: (passages, width). own: (queries,) the column of each one's right passage. wrong: (queries,
        passages) whether a passage is wrong for a query. hard: the same, for those that were given or mined for it.
        """
        import torch
        from torch.nn import functional

        likeness = functional.normalize(queries, dim=-1) @ functional.normalize(passages, dim=-1).T
        counted = wrong.clone()
        counted[torch.arange(len(own), device=own.device), own] = True
        scores = (likeness / self.settings.temperature).masked_fill(~counted, float("-inf"))
        return functional.cross_entropy(scores, own, reduction="none")
