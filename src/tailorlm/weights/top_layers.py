"""`top_layers`: the last few transformer blocks and the head learn (partial fine-tuning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.models.layers import blocks
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class TopLayers(TrainedPart):
    """Train the top `layers` blocks, what stands above them (final norm, pooler) and the head; freeze everything below.

    Backward stops at the lowest trained block, so a step costs about (L + 2k) / 3L of full tuning for k of L blocks.
    Choose it when full tuning is too slow or forgets too much, and the domain is not far from what the body knows; choose
    `full` or `lora` when vocabulary and style are new. Source: Howard & Ruder 2018 (arXiv:1801.06146) for the idea, Lee et al.
    2019 (arXiv:1911.03090): the top quarter of BERT's layers reaches 90% of the gain of full tuning.
    """

    class Settings(WeightsSettings):
        """Settings of `top_layers`."""

        lr: float = setting(1e-4, gt=0, le=1, help="learning rate", search=(5e-5, 1.5e-4, 5e-4))
        layers: int = setting(2, ge=1, le=200, help="how many blocks learn, counted from the top", unit="blocks")

    settings: Settings

    def trainable(self, model: TextModel) -> list[str]:
        """The top blocks and everything that comes after the stack in the forward order (norms, pooler)."""
        stack = blocks(model.body)
        if self.settings.layers > len(stack):
            raise UsageError(
                f"top_layers: {self.settings.layers} layers asked for",
                allowed=f"1 to {len(stack)} (the model has {len(stack)})",
            )
        top = tuple(f"body.{name}." for name, _ in stack[-self.settings.layers :])
        stem = f"body.{stack[0][0].rsplit('.', 1)[0]}."
        after, seen = [], False
        for name, _ in model.named_parameters():
            seen = seen or name.startswith(stem)
            if name.startswith(top) or (
                seen and not name.startswith(stem) and name.startswith("body.") and "embed" not in name
            ):
                after.append(name)
        # The pooler of a bare encoder feeds nothing when we pool ourselves: it has no gradient, so it does not learn.
        return [n for n in after if model.pooling == "native" or ".pooler." not in f".{n}"]
