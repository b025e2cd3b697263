"""Optimisers: how gradients become steps. One file each; add a line here and it is everywhere.

An optimiser part has `Settings` and `make(groups)`: groups are torch's own parameter groups (`params`, `lr`, `weight_decay`), the
answer is a `torch.optim.Optimizer` whose state is tensors and plain numbers, so that a checkpoint can hold it. `state_bytes(size)` says what
it will keep for a tensor of this size, for the forecast of memory; `whole_tensors = True` that it cannot work on shares of tensors.
"""

from tailorlm.core.registry import Registry

TABLE = {
    "adamw": "tailorlm.training.optimisers.adamw:AdamW",
    "adamw_8bit": "tailorlm.training.optimisers.adamw_8bit:AdamW8bit",
    "adafactor": "tailorlm.training.optimisers.adafactor:Adafactor",
    "lion": "tailorlm.training.optimisers.lion:Lion",
    "sgd": "tailorlm.training.optimisers.sgd:SGD",
}

optimisers = Registry("optimiser", TABLE, "tailorlm.optimisers")
