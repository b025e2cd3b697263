"""How much is computed at once, and what to do when it was too much."""

from __future__ import annotations

import torch

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
