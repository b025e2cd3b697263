"""`contrastive`: pairs of rows with the same label are drawn together, pairs with different ones apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class Contrastive:
    """Learn from pairs of labelled rows: the cosine of their vectors goes to one where labels agree, else to zero.

    Few rows make many pairs, so that a sentence encoder learns from eight rows a label what full tuning cannot; a head on the new vectors
    answers (`features` in a stage behind). Beyond some fifty rows a label `labels` is as good and cheaper. Source: Tunstall et al. 2022
    (arXiv:2209.11055, SetFit); the pairs and the squared loss are those of its first release.
    """

    class Settings(config.Settings):
        """Settings of `contrastive`."""

        pairs: int = setting(
            10, ge=1, le=1000, help="pairs of each kind, alike and unlike, that each row begins", unit="pairs"
        )

    learns_from: ClassVar[str] = "pairs"

    def __init__(self, settings: Settings):
        self.settings = settings

    def draw(self, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of rows, (pairs, 2), and whether their labels are the same, (pairs,): a function of labels and seed.

        A row without another of its label begins unlike pairs alone. UsageError where there is one label only.
        """
        if len(set(codes.tolist())) < 2:
            raise UsageError("contrastive learning needs rows of two labels or more")
        random = np.random.default_rng(seed)
        pairs: list[tuple[int, int]] = []
        alike: list[bool] = []
        for row, code in enumerate(codes):
            same, other = (
                np.flatnonzero((codes == code) & (np.arange(len(codes)) != row)),
                np.flatnonzero(codes != code),
            )
            for kind, those in ((True, same), (False, other)):
                for partner in random.choice(those, self.settings.pairs) if len(those) else ():
                    pairs.append((row, int(partner)))
                    alike.append(kind)
        return np.array(pairs), np.array(alike)

    def losses(self, first: Tensor, second: Tensor, alike: Tensor) -> Tensor:
        """first, second: (pairs, width) vectors. alike: (pairs,) ones and zeros. Returns (cosine - alike) squared, (pairs,)."""
        import torch

        return (torch.nn.functional.cosine_similarity(first, second, dim=-1) - alike).square()
