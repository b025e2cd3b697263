"""`head`: the body stays frozen, the head alone learns by gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from tailorlm.core.config import setting
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Head(TrainedPart):
    """Train the head alone, on vectors of the frozen body (fine-tuning I of the early BERT papers; linear probing).

    Because nothing below the head changes, the vectors are computed once and every epoch is milliseconds.
    Choose it to see what the frozen body holds when only gradient descent is at hand; `features` (logistic regression, SVM)
    solves the same problem exactly and is seldom worse. Choose `top_layers`, `lora` or `full` when the answer depends on
    word order, negation or tone, which pooled vectors lose.
    """

    class Settings(WeightsSettings):
        """Settings of `head`."""

        lr: float = setting(1e-2, gt=0, le=10, help="learning rate", search=(3e-3, 1e-2, 3e-2))
        head_start: Literal["auto", "probe", "random"] = setting(
            "random",
            help="start of the head: `random`, or `probe` (which already is this way's answer, by another solver)",
        )

    body_learns: ClassVar[bool] = False

    def trainable(self, model: TextModel) -> list[str]:
        """None of the body's."""
        return []
