"""`forgetting_limit`: no further pass once a probe says that too much was forgotten."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailorlm.core import config
from tailorlm.core.config import setting


class ForgettingLimit:
    """Measure what was forgotten after every pass; above `limit` the stage ends, and the pass before is kept.

    What counts is what was forgotten since the stage began. With a `probe`, a small labelled file (`text`, `label`), it is the accuracy that
    a classifier on the model's vectors has lost on it. Without one it is how far vectors of general sentences have moved (1 - linear
    CKA), or, of a model that writes, the nats a token of them costs more. Adds nothing to the loss and costs a reading of the probe a
    pass. Passes are coarse: where the first one is over the limit already, it is kept and that is told; a smaller rate, or `rehearsal`,
    holds more than stopping can.
    """

    class Settings(config.Settings):
        """Settings of `forgetting_limit`."""

        limit: float = setting(
            0.02,
            ge=0,
            le=100,
            help="most that may be forgotten: accuracy, 1 - CKA, or nats a token, by what is measured",
        )
        probe: str = setting(
            "", file=True, help="a labelled file with `text` and `label`; without it general sentences are read"
        )
        general: str = setting(
            "", file=True, help="a file of texts (column `text`) in place of tailorlm's general sentences"
        )

    acts_on: ClassVar[Literal["passes"]] = "passes"

    def __init__(self, settings: Settings):
        self.settings = settings
