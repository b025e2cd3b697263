"""How a model stands: evaluating, whatever it was before; or learning, with what is frozen below standing still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from torch import nn

from tailorlm.models.layers import blocks, frozen_below


class Learner(nn.Module):
    """A module around a `body`, whose part below the lowest block that learns runs without dropout: its states are the same in every pass.

    So losses do not depend on whether those states are computed once (`trunk.py`) or with every step.
    """

    body: nn.Module

    def train(self, mode: bool = True) -> Self:
        """As torch's, but for what lies below all that learns of the body (`requires_grad`), which evaluates."""
        super().train(mode)
        if mode:
            _still(self.body)
        return self


def _still(body: nn.Module) -> None:
    stack = blocks(body)
    below = frozen_below(body, (name for name, parameter in body.named_parameters() if parameter.requires_grad))
    if below == len(stack):
        body.eval()
    if not 0 < below < len(stack):
        return
    lowest = f"{stack[below][0]}."
    # Modules stand in the order in which they are run; what holds the lowest block that learns goes on learning itself.
    for name, module in body.named_modules():
        if lowest == f"{name}.":
            return
        if name and not lowest.startswith(f"{name}."):
            module.training = False


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the block the model evaluates (no dropout); behind it, it stands as it stood, also where the block fails."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
