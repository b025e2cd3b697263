"""A running average of the weights, which is less noisy than the weights themselves."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of parameters, decay `memory` a step (Polyak and Juditsky 1992; decay warms up as in TensorFlow).

    values: name to the averaged tensor. Early steps count less memory, min(memory, (1 + t) / (10 + t)), so that the start is forgotten.
    """

    def __init__(self, learning: Mapping[str, nn.Parameter], memory: float):
        self.learning, self.memory = learning, memory
        self.shown = False
        self.values = {name: p.detach().clone() for name, p in learning.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step number `step` (from 1)."""
        memory = min(self.memory, (1 + step) / (10 + step))
        for name, parameter in self.learning.items():
            self.values[name].lerp_(parameter, 1 - memory)

    def show(self) -> None:
        """Put the averaged weights into the model."""
        if not self.shown:
            self.shown = True
            self._swap()

    def hide(self) -> None:
        """Put the model's own weights back."""
        if self.shown:
            self._swap()
            self.shown = False

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.learning.items():
            value: Tensor = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name].copy_(value)
