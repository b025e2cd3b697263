"""How a model stands: evaluating, whatever it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the block the model evaluates (no dropout); behind it, it stands as it stood, also where the block fails."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
