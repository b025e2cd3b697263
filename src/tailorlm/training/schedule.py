"""The learning rate over the steps of a run."""

from __future__ import annotations

import math


def rate(step: int, total: int, *, schedule: str, warmup: float) -> float:
    """The factor on the learning rate at `step` (0-based) of `total` steps.

    Rises linearly from 0 over `warmup * total` steps, then falls to 0 linearly or along a cosine, or stays. Equal to
    transformers' `get_linear_schedule_with_warmup` and its kin.
    """
    rise = math.ceil(warmup * total)
    if step < rise:
        return step / max(1, rise)
    if schedule == "constant":
        return 1.0
    passed = (step - rise) / max(1, total - rise)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, passed)))
    return max(0.0, 1.0 - passed)
