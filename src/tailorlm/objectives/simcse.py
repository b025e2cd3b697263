"""`simcse`: a text read twice, with other dropout, is told from the other texts of its step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.objectives._plain import PlainSettings, texts_of

if TYPE_CHECKING:
    from torch import Tensor


class SimCSE:
    """Contrastive learning without labels: two readings of a text that differ by dropout alone come together, others go apart.

    `train.rows_per_step` is the number of texts that are told from each other; more is harder, and better. One pass is usually enough. The
    model must have dropout. Choose it to bring the vectors of an encoder into a domain without labels; `contrastive` uses labels
    where there are some, `denoising` learns the domain's words. Source: Gao et al. 2021 (arXiv:2104.08821), without its projection,
    which is dropped behind the training.
    """

    class Settings(PlainSettings):
        """Settings of `simcse`."""

        temperature: float = setting(
            0.05, gt=0, le=10, help="what cosines are divided by: less looks harder at the nearest texts"
        )

    learns_from: ClassVar[str] = "text"
    bundles: ClassVar[bool] = True
    head: ClassVar[str] = "twice"

    def __init__(self, settings: Settings):
        self.settings = settings

    def texts(self, ids: Sequence[str], texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Names and texts to learn from. ids, texts: of the train rows, taken where no file is named."""
        return texts_of(self.settings, ids, texts)

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """Cross-entropy of finding each text's second reading among all second readings, (texts,), nats. first, second: (texts, width)."""
        import torch
        from torch.nn import functional

        likeness = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T
        own = torch.arange(len(first), device=first.device)
        return functional.cross_entropy(likeness / self.settings.temperature, own, reduction="none")
