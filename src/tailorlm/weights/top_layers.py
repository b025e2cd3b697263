"""`top_layers`: the last few transformer blocks and the head learn (partial fine-tuning)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.models.layers import below_top, blocks
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class TopLayers(TrainedPart):
    """Train the top `layers` blocks, what stands above them (final norm, pooler) and the head; freeze everything below.

    Backward stops at the lowest trained block, so a step costs about (L + 2k) / 3L of full tuning for k of L blocks.
    Choose it when full tuning is too slow or forgets too much, and the domain is not far from what the body knows; choose
    `full` or `lora` when vocabulary and style are new. `unfreeze` lets the blocks begin one after the other, from the top; rates by
    block are `train.layer_decay`. Source: Howard & Ruder 2018 (arXiv:1801.06146) for the idea and for gradual unfreezing, Lee et al.
    2019 (arXiv:1911.03090): the top quarter of BERT's layers reaches 90% of the gain of full tuning.
    """

    class Settings(WeightsSettings):
        """Settings of `top_layers`."""

        lr: float = setting(1e-4, gt=0, le=1, help="learning rate", search=(5e-5, 1.5e-4, 5e-4))
        layers: int = setting(2, ge=1, le=200, help="how many blocks learn, counted from the top", unit="blocks")
        unfreeze: int = setting(
            0,
            ge=0,
            le=1000,
            help="passes after which the next lower block begins to learn; 0 lets all begin at once",
            unit="passes",
        )

    settings: Settings

    def trainable(self, model: TextModel) -> list[str]:
        """The top blocks and everything that comes after the stack in the forward order (norms, pooler)."""
        layers = self.settings.layers
        if layers > len(stack := blocks(model.body)):
            raise UsageError(
                f"top_layers: {layers} layers asked for", allowed=f"1 to {len(stack)} (the model has {len(stack)})"
            )
        names = [f"body.{name}" for name, above in below_top(model.body).items() if above < layers]
        # The pooler of a bare encoder feeds nothing when we pool ourselves: it has no gradient, so it does not learn.
        return [n for n in names if model.pooling == "native" or ".pooler." not in f".{n}"]

    def begins(self, model: TextModel, names: Sequence[str]) -> dict[str, int]:
        """The block n below the top begins `unfreeze` times n passes after it."""
        above = {f"body.{name}": n for name, n in below_top(model.body).items()}
        return {n: self.settings.unfreeze * above[n] for n in names if self.settings.unfreeze and above.get(n, 0)}
