"""Settings of the loop: how long, in what steps, and when to stop."""

from __future__ import annotations

from typing import Literal

from tailorlm.core.config import Settings, setting


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
    micro_tokens: int = setting(
        8192,
        ge=16,
        le=1 << 24,
        help="padded tokens computed at once; a step is cut into such parts, with the same gradient",
        unit="tokens",
    )
    schedule: Literal["linear", "cosine", "constant"] = setting(
        "linear", help="how the learning rate falls after the warm-up"
    )
    warmup: float = setting(0.1, ge=0, le=1, help="share of the steps in which the learning rate rises from zero")
    weight_decay: float = setting(0.01, ge=0, le=10, help="pull of the weights towards zero, against overfitting")
    clip: float = setting(1.0, gt=0, le=1e6, help="longest gradient of a step; longer ones are scaled down")
    patience: int = setting(
        3, ge=1, le=1000, help="passes without a better validation score after which it stops", unit="passes"
    )
