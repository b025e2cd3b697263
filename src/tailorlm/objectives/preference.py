"""`preference`: of two answers to a prompt, the chosen one becomes likelier against the rejected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from torch import Tensor


class Preference:
    """Direct preference optimisation: learn from pairs of answers, one better than the other, with no model of rewards.

    The answers' log-probabilities are measured against what they were when the stage began, computed once; `beta` says how far they may leave
    it. Rows need a prompt, `chosen` and `rejected` (task `generate`). Choose it behind a stage of `labels` that taught the form
    of an answer, where people or checks said which of two is better; without such pairs it has nothing to learn from. A rate a tenth of that
    of `labels` is usual. Source: Rafailov et al. 2023 (arXiv:2305.18290), equation 7; smoothing: Mitchell 2023 (cDPO).
    """

    class Settings(config.Settings):
        """Settings of `preference`."""

        beta: float = setting(
            0.1, gt=0, le=100, help="how near to its start the model stays: more moves it less for the same gain"
        )
        smoothing: float = setting(
            0.0, ge=0, lt=0.5, help="share of the pairs that are taken to be the wrong way round"
        )

    learns_from: ClassVar[str] = "preferences"
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def losses(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        """Loss of each pair, (pairs,), nats. chosen, rejected: (pairs,), by how much log-probabilities have risen since the start."""
        from torch.nn.functional import logsigmoid

        gain = self.settings.beta * (chosen - rejected)
        share = self.settings.smoothing
        return -(1 - share) * logsigmoid(gain) - share * logsigmoid(-gain)
