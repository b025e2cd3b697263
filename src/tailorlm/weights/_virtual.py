"""What parts that stand in front of a text share: the positions they take, and whether a model answers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import positions

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.encoder import TextModel

# Positions that a text keeps at least.
SHORTEST = 8
# Two texts of different length, and what a row may differ by with the company it is padded in.
PROBE, TOLERANCE = ("a short text", "and another one, which is a little longer than the first"), 1e-4


def make_room(model: TextModel, tokens: int) -> int:
    """Leave positions for so many tokens in front of every text; returns the length limit that texts had.

    Raises TailorError where hardly any would be left.
    """
    limit, before = positions(model.body), model.max_length
    if limit - tokens < SHORTEST:
        raise TailorError(
            f"{tokens} tokens in front leave no room for texts",
            got=f"a model of {limit} positions",
            allowed=f"tokens: 1 to {max(1, limit - SHORTEST)}",
        )
    model.max_length = min(before, limit - tokens)
    return before


def probe(model: TextModel, texts: Sequence[str] = PROBE) -> Tensor:
    """The pooled vectors of some texts as the model stands, (texts, width)."""
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model.pool(*model.pad(model.tokenize(texts)))
    finally:
        model.train(was_training)


def answers_behind(model: TextModel, bare: Tensor) -> bool:
    """Whether the wrapped model answers at all, takes notice of what stands in front, and gives a row the same answer in any company.

    bare: what `probe` gave before.
    """
    import torch

    try:
        together, alone = probe(model), probe(model, PROBE[:1])
        if model.pooling == "native":
            with torch.no_grad():
                model(*model.pad(model.tokenize(PROBE)))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError):
        return False
    same = together.shape == bare.shape and float((together[:1] - alone).abs().max()) < TOLERANCE
    return same and float((together - bare).abs().max()) > TOLERANCE
