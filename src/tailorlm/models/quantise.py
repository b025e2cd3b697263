"""A base whose projections are kept in 4 or 8 bits: frozen weights in a seventh or a quarter of the memory (QLoRA).

Stands on bitsandbytes for the formats; the arithmetic around them is ours, since its own on CPUs answers differently with and without
gradients: 8 bits round activations too when nothing learns, and 4 bits are repacked on the first evaluation on processors with AVX-512
bfloat16, which moves later answers and fails where a layer's width is no multiple of 64. Here a projection is always the product with the
weights as they are kept, in float32, in training and in prediction alike.
Sources: Dettmers et al. 2023 (arXiv:2305.14314), 2022 (arXiv:2208.07339); bitsandbytes 0.50 `nn/modules.py`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError
from tailorlm.models.layers import projections

if TYPE_CHECKING:
    from torch import Tensor, nn

# As a recipe names them: 4-bit normal floats with their scales in 8 bits (QLoRA's), with scales in float32, and 8-bit rows.
KINDS = ("none", "nf4", "nf4_plain", "int8")


def quantise(body: nn.Module, kind: str) -> None:
    """Keep every linear projection of the blocks in 4 or 8 bits from here on; embeddings, norms, biases and heads stay float32.

    Raises TailorError without bitsandbytes, and for models whose projections are of another kind (GPT-2's Conv1D).
    """
    from torch import nn

    made = _layers()
    for name in projections(body, "all"):
        layer = body.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise TailorError(
                "this model's projections cannot be quantised",
                got=f"{name}: {type(layer).__name__}",
                allowed="torch.nn.Linear",
                hint="quantise: none",
            )
        parent, _, last = name.rpartition(".")
        setattr(body.get_submodule(parent), last, made[kind == "int8"](layer, kind))
    # The words by which PEFT knows such a body.
    body.is_loaded_in_8bit, body.is_loaded_in_4bit = kind == "int8", kind != "int8"  # type: ignore[assignment]


def dequantised(layer: Any) -> Tensor:
    """The weights of a quantised projection as they count, (out, in), in float32."""
    found: Tensor = layer.dense()
    return found


@cache
def _layers() -> tuple[type[Any], type[Any]]:
    """Our 4-bit and 8-bit layers; made once asked for, since bitsandbytes is an extra."""
    try:
        import bitsandbytes as bnb
    except ImportError:
        raise TailorError(
            "a quantised base needs bitsandbytes, which is not installed", hint="pip install 'tailorlm[quant]'"
        ) from None
    import torch

    class Product(torch.autograd.Function):
        """inputs @ weights.T, where the weights are made from their short form in each direction anew, and never kept."""

        @staticmethod
        def forward(context: Any, inputs: Tensor, layer: Any) -> Tensor:
            context.layer = layer
            found: Tensor = inputs @ layer.dense().T.to(inputs.dtype)
            return found

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
            return gradient @ context.layer.dense().to(gradient.dtype), None

    def product(layer: Any, inputs: Tensor) -> Tensor:
        found: Tensor = Product.apply(inputs, layer)  # type: ignore[no-untyped-call]
        return found if layer.bias is None else found + layer.bias

    class FourBit(bnb.nn.Linear4bit):  # type: ignore[misc]
        """A projection in 4-bit normal floats."""

        def __init__(self, layer: nn.Linear, kind: str):
            double = kind == "nf4"
            super().__init__(
                layer.in_features, layer.out_features, layer.bias is not None, torch.float32, double, "nf4"
            )
            self.weight = bnb.nn.Params4bit(
                layer.weight.data, requires_grad=False, compress_statistics=double, quant_type="nf4", module=self
            )
            self.bias = layer.bias
            self.weight = self.weight.to(layer.weight.device)

        def dense(self) -> Tensor:
            found: Tensor = bnb.functional.dequantize_4bit(self.weight.data, self.weight.quant_state)
            return found

        def forward(self, x: Tensor) -> Tensor:
            return product(self, x)

    class EightBit(bnb.nn.Linear8bitLt):  # type: ignore[misc]
        """A projection in 8-bit whole numbers, one scale a row."""

        def __init__(self, layer: nn.Linear, kind: str):
            super().__init__(layer.in_features, layer.out_features, layer.bias is not None, has_fp16_weights=False)
            self.weight = bnb.nn.Int8Params(layer.weight.data, requires_grad=False, has_fp16_weights=False)
            self.bias = layer.bias
            self.weight = self.weight.to(layer.weight.device)

        def dense(self) -> Tensor:
            scale = self.weight.SCB if self.weight.SCB is not None else self.state.SCB
            found: Tensor = self.weight.data.float() * (scale.float()[:, None] / 127.0)
            return found

        def forward(self, x: Tensor) -> Tensor:
            return product(self, x)

    return FourBit, EightBit
