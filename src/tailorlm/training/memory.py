"""How much is computed at once, and what to do when it was too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.training.rehearsal import Forecast

# Measured: on processors small parts stay in the cache (a step of 16 rows of 60 tokens took half the time of one part of 8,192);
# a GPU wants large ones.
AT_ONCE_CPU, AT_ONCE_GPU = 1024, 16_384


def micro_tokens(device: torch.device) -> int:
    """Padded tokens computed at once, where the user has not said."""
    return AT_ONCE_CPU if device.type == "cpu" else AT_ONCE_GPU


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch means that memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def no_room_beside() -> TailorError:
    """The error when memory ran out outside of the parts of a step: in the optimiser's first step, a penalty, or a validation."""
    hint = "train.optimiser: adafactor keeps almost no state; other programs closed, fewer validation rows, or a smaller model"
    return TailorError(
        "memory ran out beside the parts of a step; the weights are those of the best pass so far", hint=hint
    )


def too_large(longest: int, forecast: Forecast | None) -> TailorError:
    """The error when not even one row at a time fits. longest: its tokens. forecast: what said so before the first step, if something did."""
    hint = "shorter texts (task.max_length), a smaller model, or weights: head, which keeps no gradients of the body"
    if forecast is None:
        return TailorError(f"one row of {longest} tokens does not fit into memory", hint=hint)
    more = "train.optimiser: adafactor keeps almost no state; "
    return TailorError(
        f"training needs about {readable_size(forecast.peak)} of memory, of which the optimiser keeps {readable_size(forecast.state)}",
        got=f"{readable_size(forecast.available)}",
        hint=more + hint,
    )
