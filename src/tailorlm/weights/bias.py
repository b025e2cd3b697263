"""`bias` (BitFit): only bias vectors and the head learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.models.layers import biases
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Bias(TrainedPart):
    """Train all bias vectors of the body and the head (BitFit), about 0.1% of the parameters.

    The changed tensors are tiny and no product of matrices is added at prediction. Choose it for many small tasks over
    one base and a few hundred rows; with thousands of rows `lora` or `full` usually pass it. Source: Ben Zaken et al.
    2021 (arXiv:2106.10199). Models without biases (Llama, Qwen 3, ModernBERT) are refused; take `lora` there.
    """

    class Settings(WeightsSettings):
        """Settings of `bias`."""

        lr: float = setting(1e-3, gt=0, le=1, help="learning rate", search=(5e-4, 2e-3, 5e-3))

    def trainable(self, model: TextModel) -> list[str]:
        """Every bias of the body that takes part in the answer."""
        head = set(model.head_parameters())
        names = [n for n in (f"body.{b}" for b in biases(model.body)) if n not in head]
        names = [n for n in names if model.pooling == "native" or ".pooler." not in f".{n}"]
        if not names:
            raise TailorError("this model has no bias vectors", got=model.config.model_type, hint="--method lora")
        return names
