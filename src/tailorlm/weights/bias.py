"""`bias` (BitFit): only bias vectors and the head learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.models.layers import FUSED, QUERY, biases, last_word, norms, places, projections
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Bias(TrainedPart):
    """Train all bias vectors of the body and the head (BitFit), about 0.1% of the parameters.

    The changed tensors are tiny and no product of matrices is added at prediction. Choose it for many small tasks over
    one base and a few hundred rows; with thousands of rows `lora` or `full` usually pass it. The biases of the queries and of the
    MLP's first layer alone, half of them, reach nearly the same. Source: Ben Zaken et al. 2021 (arXiv:2106.10199). Models without
    biases (Llama, Qwen 3, ModernBERT, T5) are refused: their norms' weights can learn in place (`which: norms`), or take `lora`.
    """

    class Settings(WeightsSettings):
        """Settings of `bias`."""

        lr: float = setting(1e-3, gt=0, le=1, help="learning rate", search=(5e-4, 2e-3, 5e-3))
        which: Literal["all", "query_mlp", "norms"] = setting(
            "all", help="all biases; those of queries and of the MLP's first layer; or the norms' weights and biases"
        )

    settings: Settings

    def trainable(self, model: TextModel) -> list[str]:
        """The chosen vectors of the body that take part in the answer."""
        chosen = {"all": biases, "query_mlp": _query_mlp, "norms": norms}[self.settings.which](model.body)
        head = set(model.head_parameters())
        names = [n for n in (f"body.{b}" for b in chosen) if n not in head]
        names = [n for n in names if model.pooling == "native" or ".pooler." not in f".{n}"]
        if not names and self.settings.which == "norms":
            raise TailorError("this model has no norms with weights", got=model.config.model_type, hint="--method lora")
        if not names:
            raise TailorError(
                "this model has no bias vectors" + (" there" if self.settings.which == "query_mlp" else ""),
                got=model.config.model_type,
                allowed="which: norms, which trains the weights of its norms",
                hint="--method lora, or weights: {part: bias, which: norms}",
            )
        return names


def _query_mlp(body: object) -> list[str]:
    """The biases of queries and of each MLP's first layer (b_q and b_m2 of the paper)."""
    from torch import nn

    assert isinstance(body, nn.Module)
    attention = projections(body, "attention")
    fused = [name for name in attention if last_word(name) in FUSED]
    if fused:
        raise TailorError(
            "in this model queries share one projection with keys and values, so their biases cannot learn alone",
            got=fused[0],
            hint="which: all",
        )
    layers = [name for name in attention if last_word(name) in QUERY] + [block.mlp_in for block in places(body)]
    known = set(biases(body))
    return [f"{name}.bias" for name in layers if f"{name}.bias" in known]
