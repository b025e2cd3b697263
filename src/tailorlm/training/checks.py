"""Before the first step and after the last: is there something to learn, did what should learn move, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.training.job import Event, Job

SHOWN = 8


def preflight(job: Job) -> Event:
    """What is about to be learnt, as an event. CheckError when rows hold nothing to learn, naming them."""
    lesson = job.lesson
    empty = [job.ids[i] for i, count in enumerate(lesson.counts) if count < 1]
    if len(empty) == len(lesson.counts):
        raise CheckError("no row holds anything to learn", got=f"{len(empty)} rows, 0 labels")
    if empty:
        raise CheckError(
            f"{len(empty)} of {len(lesson.counts)} rows hold nothing to learn",
            got=", ".join(empty[:SHOWN]) + (f" and {len(empty) - SHOWN} more" if len(empty) > SHOWN else ""),
            hint="leave these rows out, or allow longer texts (task.max_length) where the answer was cut off",
        )
    parameters = dict(lesson.module.named_parameters())
    unknown = sorted(set(job.trainable) - set(parameters))
    if unknown:
        raise TailorError(f"the model has no parameter '{unknown[0]}'", got=f"{len(unknown)} unknown names")
    return {
        "event": "preflight",
        "rows": len(lesson.counts),
        "labels": int(sum(lesson.counts)),
        "tokens": int(sum(lesson.lengths)),
        "longest": int(max(lesson.lengths)),
        "parameters": sum(parameters[name].numel() for name in job.trainable),
    }


def checksums(parameters: Mapping[str, Tensor]) -> dict[str, int]:
    """A number for each tensor that changes when any bit of it does (but for chances of one in 2^32)."""
    return {name: _checksum(tensor.detach()) for name, tensor in parameters.items()}


def _checksum(tensor: Tensor) -> int:
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return int(tensor.contiguous().view(width).sum(dtype=torch.int64)) if tensor.numel() else 0


def postflight(module: nn.Module, trainable: Sequence[str], before: Mapping[str, int], steps: int) -> list[str]:
    """Look at every tensor after the last step; returns what a person should know.

    before: checksums of all parameters at the start. Raises TailorError when a frozen tensor has changed: that is a fault of the
    weights part. A declared tensor that never moved is told, since a rate too small for its numbers is the user's to choose.
    """
    parameters = dict(module.named_parameters())
    after = checksums(parameters)
    learning = set(trainable)
    changed = sorted(name for name in before if name not in learning and after.get(name) != before[name])
    if changed:
        raise TailorError(
            f"{len(changed)} frozen tensors have changed in training",
            got=", ".join(changed[:SHOWN]),
            hint="the weights part declares too few names: it is a defect worth reporting",
        )
    still = sorted(name for name in learning if after[name] == before[name])
    if not still or steps < 2:
        return []
    more = f" and {len(still) - 3} more" if len(still) > 3 else ""
    return [f"{len(still)} of {len(learning)} tensors that should learn never moved: {', '.join(still[:3])}{more}"]
