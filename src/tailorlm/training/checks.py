"""Before the first step and after the last: is there something to learn, did what should learn move, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.training.job import Event, Job, Told
from tailorlm.training.token_rows import TokenRows

SHOWN = 8
# Numbers of a tensor weighed at once, and an odd constant without pattern (2^63 divided by the golden ratio).
PIECE, FACTOR = 1 << 20, 5_700_357_409_661_599_241


def preflight(job: Job) -> Told:
    """What is about to be learnt, as an event that can show the first row. CheckError when rows hold nothing to learn, naming them."""
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
    learning = sum(parameters[name].numel() for name in job.trainable)
    of_tokens = isinstance(getattr(lesson, "rows", None), TokenRows)
    told = learnt_from(lesson.counts, lesson.lengths, learning, "tokens" if of_tokens else "labels", job.ends)
    return Told(told, job.ids[0], job.example)


def learnt_from(
    counts: Sequence[int], lengths: Sequence[int], parameters: int, learned: str = "labels", ends: int | None = None
) -> Event:
    """What a fit learns from, as an event. counts, lengths: of each row, what is learned and the tokens computed. learned: `labels` or `tokens`.

    `learned_per_row` has the least, the median and the most. ends: in how many rows the token that ends them is learned.
    """
    ordered = sorted(counts)
    return {
        "event": "preflight",
        "rows": len(counts),
        "labels": int(sum(counts)),
        "learned": learned,
        "learned_per_row": [int(ordered[at]) for at in (0, (len(ordered) - 1) // 2, -1)],
        "ends": ends,
        "tokens": int(sum(lengths)),
        "longest": int(max(lengths)),
        "parameters": parameters,
    }


def checksums(module: nn.Module) -> dict[str, int]:
    """A number for each parameter and each buffer that is kept; it changes when a number of the tensor does, or when two change places.

    One number that changed is always seen, several but for chances of about one in 2^32: a sum of all bits, each number weighed by an odd
    factor of its place (multiply-shift hashing, Dietzfelbinger et al. 1997), which a GPU does as fast as it reads.
    """
    return {name: _checksum(tensor.detach()) for name, tensor in _kept(module).items()}


def _kept(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and the buffers that a saved model holds, by name."""
    found: dict[str, Tensor] = dict(module.named_parameters())
    for prefix, inner in module.named_modules():
        for name, buffer in inner.named_buffers(recurse=False):
            if name not in inner._non_persistent_buffers_set:
                found[f"{prefix}.{name}" if prefix else name] = buffer
    return found


def _checksum(tensor: Tensor) -> int:
    width = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    bits, total = tensor.contiguous().view(width).flatten(), 0
    places = torch.arange(min(PIECE, bits.numel()), dtype=torch.int64, device=bits.device)
    factors = places * FACTOR
    factors = (factors ^ (factors >> 29)) * FACTOR | 1  # mixed: factors in a row would let small changes cancel out
    for piece in torch.split(bits, PIECE):
        total = total * FACTOR + int((piece * factors[: piece.numel()]).sum())
    return total % (1 << 64)


def postflight(module: nn.Module, trainable: Sequence[str], before: Mapping[str, int], steps: int) -> list[str]:
    """Look at every tensor after the last step; returns what a person should know.

    before: checksums at the start. Raises TailorError when a frozen tensor has changed (a fault of the weights part), or where what was
    learnt holds numbers that are not finite. A declared tensor that never moved is told, since a rate too small for its numbers is the
    user's to choose.
    """
    after = checksums(module)
    learning = set(trainable)
    changed = sorted(name for name in before if name not in learning and after.get(name) != before[name])
    if changed:
        raise TailorError(
            f"{len(changed)} frozen tensors have changed in training",
            got=", ".join(changed[:SHOWN]),
            hint="the weights part declares too few names: it is a defect worth reporting",
        )
    wild = sorted(name for name, p in module.named_parameters() if name in learning and not torch.isfinite(p).all())
    if wild:
        hint = "a smaller learning rate, or train.precision: exact"
        raise TailorError("what was learnt holds numbers that are not finite", got=", ".join(wild[:SHOWN]), hint=hint)
    still = sorted(name for name in learning if after[name] == before[name])
    if not still or not steps:
        return []
    more = f" and {len(still) - 3} more" if len(still) > 3 else ""
    return [f"{len(still)} of {len(learning)} tensors that should learn never moved: {', '.join(still[:3])}{more}"]
