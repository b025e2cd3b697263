"""The learning rate over the steps of a run."""

from __future__ import annotations

import math

# Share of the steps in which `wsd` (warm-up, stable, decay) falls to zero at the end (Hu et al. 2024, arXiv:2404.06395).
DECAY_SHARE = 0.1
# `one_cycle` begins at this fraction of the rate and ends at FINAL (Smith and Topin 2017, arXiv:1708.07120, as in torch).
START, FINAL = 1 / 25, 1 / 250_000


def rate(step: int, total: int, *, schedule: str, warmup: float) -> float:
    """The factor on the learning rate at `step` (0-based) of `total` steps.

    Rises linearly from 0 over `warmup * total` steps, then falls to 0 `linear`ly or along a `cosine`, stays (`constant`), or stays and
    falls in the last tenth (`wsd`). `one_cycle` rises and falls along a cosine, with its top at the end of the warm-up.
    The first three equal transformers' `get_linear_schedule_with_warmup` and its kin, the last torch's OneCycleLR; but a run of one
    step has no warm-up, in which it would learn nothing.
    """
    if schedule == "one_cycle":
        return _one_cycle(step, total, warmup)
    rise = math.ceil(warmup * total) if total > 1 else 0
    if step < rise:
        return step / max(1, rise)
    if schedule == "constant":
        return 1.0
    if schedule == "wsd":
        fall = max(1, math.ceil(DECAY_SHARE * total))
        return min(1.0, max(0.0, (total - step) / fall))
    passed = (step - rise) / max(1, total - rise)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, passed)))
    return max(0.0, 1.0 - passed)


def _one_cycle(step: int, total: int, warmup: float) -> float:
    top = float(warmup * total) - 1
    if step <= top:
        return _between(START, 1.0, step / top if top else 1.0)
    rest = total - 1 - top
    return _between(1.0, FINAL, (step - top) / rest if rest else 1.0)


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))
