"""What a run looks like while it goes: numbers that are not finite, losses that jump, scores that fall, and the rows behind them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.training.job import Event, Job, Score, Trained

# A loss this many robust standard deviations above the median of the last steps is a spike.
SPIKE, MEMORY, ENOUGH = 8.0, 64, 16
SHOWN = 8


class Watch:
    """Looks at every step and every pass of one run."""

    def __init__(self, job: Job):
        self.job = job
        self.sums = np.zeros(len(job.lesson.lengths))
        self.seen = np.zeros(len(job.lesson.lengths))
        self.recent: deque[float] = deque(maxlen=MEMORY)

    def rows(self, index: Sequence[int], losses: np.ndarray) -> None:
        """Take in the losses of the rows of a part of a step."""
        np.add.at(self.sums, index, losses)
        np.add.at(self.seen, index, [self.job.lesson.counts[i] for i in index])

    def row_losses(self) -> np.ndarray:
        """(rows,) mean loss per label of each row over the steps it was in; 0 where it was in none."""
        return self.sums / np.maximum(self.seen, 1)

    def step(self, number: int, loss: float, index: Sequence[int], losses: np.ndarray) -> Event | None:
        """An event when the loss of this step jumped, with the rows behind it, worst first."""
        usual = float(np.median(self.recent)) if len(self.recent) >= ENOUGH else None
        spread = float(np.median(np.abs(np.array(self.recent) - usual))) * 1.4826 if usual is not None else 0.0
        self.recent.append(loss)
        if usual is None or loss <= usual + SPIKE * max(spread, 0.05 * abs(usual), 1e-6):
            return None
        # By label: a long row's sum is large whatever it says.
        each = losses / np.maximum([self.job.lesson.counts[i] for i in index], 1)
        worst = [self.job.ids[index[i]] for i in np.argsort(-each, kind="stable")[:SHOWN]]
        return {"event": "spike", "step": number, "loss": loss, "usual": usual, "rows": worst}

    def validated(self, result: Trained, score: Score) -> Event | None:
        """An event when the score has fallen for the second pass in a row: it is learning its rows by heart, or was led astray."""
        passes = [*result.validation, score][-3:]
        if len(passes) < 3 or not (passes[0].beats(passes[1]) and passes[1].beats(passes[2])):
            return None
        worst = [self.job.ids[i] for i in np.argsort(-self.row_losses(), kind="stable")[:SHOWN]]
        return {"event": "declining", "epoch": len(result.validation) + 1, "score": score.value, "rows": worst}


def not_finite(job: Job, index: Sequence[int], step: int, what: str, losses: np.ndarray) -> TailorError:
    """The error for a loss or gradient of step number `step` (from 1) that is NaN or infinite.

    losses: of the rows of the step, in its order; those that are not finite are named, all where each is.
    """
    behind = [row for row, loss in zip(index, losses, strict=True) if not np.isfinite(loss)]
    rows = ", ".join(job.ids[i] for i in (behind or index)[:SHOWN])
    more = " ..." if len(behind or index) > SHOWN else ""
    return TailorError(
        f"the {what} of step {step} is not a finite number",
        got=f"{'rows without a finite loss' if behind else 'rows of that step'}: {rows}{more}",
        hint=f"a smaller learning rate (now {job.lr:g}), or look at these rows",
    )
