"""How much is computed at once, and what to do when it was too much."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from tailorlm.core.atomic import readable_size
from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.training.rehearsal import Forecast

# Measured: on processors small parts stay in the cache (a step of 16 rows of 60 tokens took half the time of one part of 8,192);
# a GPU wants large ones.
AT_ONCE_CPU, AT_ONCE_GPU = 1024, 16_384
# glibc's names for what `mallopt` sets (malloc.h), the largest number that it takes, and what holds where nobody has set anything
# (the first grows by itself up to this).
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST, USUAL_MMAP, USUAL_TRIM = (1 << 31) - 1, 32 << 20, 64 << 20


def micro_tokens(device: torch.device) -> int:
    """Padded tokens computed at once, where the user has not said."""
    return AT_ONCE_CPU if device.type == "cpu" else AT_ONCE_GPU


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch means that memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


@contextmanager
def pages_kept() -> Iterator[None]:
    """Inside the block memory that tensors give back stays with the process, as a GPU's allocator has it.

    glibc takes large tensors from the system one by one and gives them back at once, so that every step meets its pages anew: 5 to 8% of
    a step went into that. Afterwards what is free goes back. Nothing happens where the C library is another one.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(MMAP_THRESHOLD, LARGEST)
    library.mallopt(TRIM_THRESHOLD, LARGEST)
    try:
        yield
    finally:
        library.mallopt(MMAP_THRESHOLD, USUAL_MMAP)
        library.mallopt(TRIM_THRESHOLD, USUAL_TRIM)
        give_back()


def give_back() -> None:
    """Give memory back to the system that no tensor uses."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library where it is glibc, else None."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


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
