"""Settings of the loop: how long, in what steps, how fast, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tailorlm.core.config import Settings, setting
from tailorlm.core.parts import Part, part_of
from tailorlm.training.optimisers import optimisers

if TYPE_CHECKING:
    OptimiserPart = Part
else:
    OptimiserPart = part_of(optimisers)


class TrainSettings(Settings):
    """How a stage is trained. The learning rate belongs to the weights part, since the best one differs tenfold between them."""

    epochs: int = setting(
        8, ge=1, le=10_000, help="passes over the rows at most; early stopping may end it before", unit="passes"
    )
    stop_after: int | None = setting(
        None,
        ge=1,
        help="end after this many passes of the same schedule",
        unit="passes",
    )
    rows_per_step: int = setting(
        16, ge=1, le=65_536, help="rows of one optimiser step: more is smoother, fewer learns more a pass", unit="rows"
    )
    tokens_per_step: int | None = setting(
        None,
        ge=1,
        le=1 << 26,
        help="tokens of one optimiser step at most, in place of rows_per_step, where rows differ much in length",
        unit="tokens",
    )
    micro_tokens: int | None = setting(
        None,
        ge=16,
        le=1 << 24,
        help="padded tokens computed at once; a step is cut into such parts, with the same gradient; without it what suits the device",
        unit="tokens",
    )
    precision: Literal["auto", "exact", "bf16"] = setting(
        "auto",
        help="exact computes in float32; bf16 computes products in bfloat16, with float32 weights; auto takes what is faster here",
    )
    recompute: Literal["auto", "on", "off"] = setting(
        "auto",
        help="compute blocks again in backward (gradient checkpointing): less memory, a third more time; auto when nothing else helps",
    )
    sharding: Literal["auto", "copies", "shards"] = setting(
        "auto",
        help="on several processes: all weights on each, or the blocks shared out (FSDP 2); auto does as `accelerate launch` was told",
    )
    optimiser: OptimiserPart = setting("adamw", help="how gradients become steps", validate_default=True)
    schedule: Literal["linear", "cosine", "constant", "wsd", "one_cycle"] = setting(
        "linear", help="how the learning rate falls after the warm-up"
    )
    warmup: float = setting(0.1, ge=0, le=1, help="share of the steps in which the learning rate rises from zero")
    layer_decay: float = setting(
        1.0, gt=0, le=1, help="rate of each block as a share of that of the block above: less forgetting below"
    )
    weight_decay: float = setting(0.01, ge=0, le=10, help="pull of the weights towards zero, against overfitting")
    clip: float = setting(1.0, gt=0, le=1e6, help="longest gradient of a step; longer ones are scaled down")
    average: float = setting(
        0.0,
        ge=0,
        lt=1,
        help="memory of a running average of the weights, which is then what is scored and kept; 0 for none",
    )
    patience: int | None = setting(
        3,
        ge=1,
        le=1000,
        help="passes without a better validation score after which it stops; null makes all passes and keeps the last",
        unit="passes",
    )
