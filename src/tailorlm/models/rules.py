"""What may come next in an answer: one of some texts, or JSON of a schema (extra `grammar`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class ChoiceRule:
    """One of some token rows, each ending with the token to stop at.

    candidates: token ids, none empty, none the beginning of another. size: of the model's vocabulary.
    """

    def __init__(self, candidates: Sequence[Sequence[int]], size: int):
        self._left = [list(c) for c in candidates]
        self._at, self._size = 0, size

    def allowed(self) -> Tensor | None:
        """Bool (vocabulary,)."""
        import torch

        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[[c[self._at] for c in self._left]] = True
        return mask

    def take(self, token: int) -> bool:
        """Keep the candidates that go on like this; done when one of them is whole."""
        self._left = [c for c in self._left if c[self._at] == token]
        self._at += 1
        return any(len(c) == self._at for c in self._left)
