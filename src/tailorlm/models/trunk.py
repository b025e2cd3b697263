"""The frozen trunk: the blocks below the lowest one that learns, whose outputs are the same in every pass.

`Trunk.states` computes them for a text, `Trunk.given` runs a model from them on. Works for every architecture whose blocks take hidden
states first and pass them on alone (checked on the spot: `holds`); T5's, which hand a position bias from block to block, do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.layers import blocks, frozen_below
from tailorlm.models.mode import evaluating
from tailorlm.models.run import batches
from tailorlm.tasks.readings import Readings

# States of a token may differ in rounding alone between a batch of one shape and another.
TOLERANCE = 1e-4


class Trunk:
    """The lowest `boundary` blocks of a model's body, which do not learn. They run without dropout."""

    def __init__(self, model: TextModel, boundary: int):
        self.model, self.boundary = model, boundary
        named = blocks(model.body)
        self._stack: Any = model.body.get_submodule(named[0][0].rpartition(".")[0])
        self._blocks = [block for _, block in named]

    def states(self, readings: Readings) -> list[np.ndarray]:
        """Hidden states after the trunk for each reading: (tokens, width), float32."""
        found: list[np.ndarray] = [np.zeros(0)] * len(readings)
        for index, states in self.portions(readings):
            for i, state in zip(index, states, strict=True):
                found[i] = state
        return found

    def portions(self, readings: Readings) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """The same, a batch at a time: which readings, and their states."""
        caught: list[Tensor] = []

        def stop(module: nn.Module, inputs: Any, output: Any) -> None:
            caught.append(output[0] if isinstance(output, tuple) else output)
            raise _Reached

        hook = self._blocks[self.boundary - 1].register_forward_hook(stop)
        try:
            with evaluating(self.model):
                for index in batches(readings.lengths):
                    some = readings.select(index)
                    with torch.inference_mode(), suppress(_Reached):
                        self.model.vectors(**self.model.batch(some))
                    hidden = caught.pop().float().cpu().numpy()
                    yield index, [hidden[place, :length].copy() for place, length in enumerate(some.lengths)]
        finally:
            hook.remove()

    def padded(self, states: Sequence[np.ndarray]) -> Tensor:
        """Right-padded states, (batch, longest, width), on the model's device."""
        longest = max(len(state) for state in states)
        hidden = np.zeros((len(states), longest, states[0].shape[1]), dtype=np.float32)
        for i, state in enumerate(states):
            hidden[i, : len(state)] = state
        return torch.from_numpy(hidden).to(self.model.device)

    @contextmanager
    def given(self, hidden: Tensor) -> Iterator[None]:
        """Inside the block the body starts from these hidden states, (batch, longest, width), instead of from its own trunk."""
        before = self._stack._modules
        kept = [_Given(hidden), *self._blocks[self.boundary :]]
        self._stack._modules = {str(i): block for i, block in enumerate(kept)}
        try:
            yield
        finally:
            self._stack._modules = before

    @torch.inference_mode()
    def holds(self, readings: Readings) -> bool:
        """Whether the model gives the same vectors from these states as without them."""
        try:
            with evaluating(self.model):
                batch = self.model.batch(readings)
                whole = self.model.vectors(**batch)
                with self.given(self.padded(self.states(readings))):
                    short = self.model.vectors(**batch)
                return whole.shape == short.shape and float((whole - short).abs().max()) < TOLERANCE
        except (RuntimeError, TypeError, IndexError, KeyError, AttributeError, ValueError):
            return False


class _Reached(Exception):
    """The forward pass has come to the border."""


class _Given(nn.Module):
    """Stands in the place of the trunk and answers with what it would."""

    def __init__(self, hidden: Tensor):
        super().__init__()
        self.hidden = hidden

    def __getattr__(self, name: str) -> Any:
        if name == "attention_type":  # some architectures ask each block which mask it wants; this one takes any
            return "full_attention"
        return super().__getattr__(name)

    def forward(self, *_: Any, **__: Any) -> Tensor:
        return self.hidden


def frozen_trunk(model: TextModel, trainable: Sequence[str]) -> Trunk | None:
    """The trunk below the lowest block that learns; None where there is none, or where this architecture cannot start above it."""
    learning = [name.removeprefix("body.") for name in trainable if name.startswith("body.")]
    boundary = frozen_below(model.body, learning)
    if not learning or boundary < 1:
        return None
    trunk = Trunk(model, boundary)
    sample = Readings(model.tokenize(["a short text", "and another one, which is longer"]))
    return trunk if trunk.holds(sample) else None
