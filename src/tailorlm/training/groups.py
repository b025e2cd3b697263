"""The optimiser over the parameters that learn: its groups, and its state by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tailorlm.core.errors import UsageError
from tailorlm.training.job import Job


def optimiser_of(job: Job, learning: Mapping[str, nn.Parameter]) -> torch.optim.Optimizer:
    """The job's optimiser, with a group for each weight decay, rate factor and way of lying in memory."""
    # Biases and norms are not pulled towards zero: their zero means nothing (Devlin et al. 2018, and every Trainer since).
    groups: dict[tuple[float, float, type], list[nn.Parameter]] = {}
    for name, parameter in learning.items():
        decay = 0.0 if parameter.ndim < 2 or name.endswith("bias") else job.settings.weight_decay
        groups.setdefault((decay, job.rates.get(name, 1.0), type(parameter.data)), []).append(parameter)
    part = job.settings.optimiser.make()
    if getattr(part, "whole_tensors", False) and any(type(p.data) is not Tensor for p in learning.values()):
        raise UsageError(
            f"{job.settings.optimiser.name} cannot work on weights that are shared out",
            got="train.sharding: shards",
            hint="train.optimiser: adamw, lion or sgd, or train.sharding: copies",
        )
    made: torch.optim.Optimizer = part.make(
        [
            {"params": parameters, "weight_decay": decay, "share": share, "lr": job.lr}
            for (decay, share, _), parameters in groups.items()
        ]
    )
    return made


def state_of(
    optimiser: torch.optim.Optimizer, learning: Mapping[str, nn.Parameter]
) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """The optimiser's tensors as `optimiser.KEY.PARAMETER`, and its plain numbers by parameter."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for name, parameter in learning.items():
        values = optimiser.state.get(parameter, {})
        numbers[name] = {key: v for key, v in values.items() if not isinstance(v, Tensor)}
        tensors |= {f"optimiser.{key}.{name}": v for key, v in values.items() if isinstance(v, Tensor)}
    return tensors, numbers


def restore_state(
    optimiser: torch.optim.Optimizer,
    learning: Mapping[str, nn.Parameter],
    numbers: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensor],
    like: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Put back what `state_of` gave. like: lays a value out as a parameter lies."""
    state: dict[str, dict[str, Any]] = {name: dict(values) for name, values in numbers.items()}
    for path, tensor in tensors.items():
        if path.startswith("optimiser."):
            _, key, name = path.split(".", 2)
            parameter = learning[name]
            state[name][key] = like(parameter, tensor) if tensor.shape == parameter.shape else tensor
    packed = optimiser.state_dict()["param_groups"]
    places = {
        id(parameter): place
        for group, plain in zip(optimiser.param_groups, packed, strict=True)
        for parameter, place in zip(group["params"], plain["params"], strict=True)
    }
    by_place = {places[id(learning[name])]: values for name, values in state.items() if values}
    optimiser.load_state_dict({"state": by_place, "param_groups": packed})
