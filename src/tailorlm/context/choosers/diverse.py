"""`diverse`: k rows that together stand for all, the same for every query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from tailorlm.context.choosers._fixed import drawn, without_itself
from tailorlm.context.store import ExampleStore, Query
from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError

SAMPLE = 2000


class Diverse:
    """Takes one row after another: the one that helps most to bring every train row near to a row that is shown (`coverage`; what
    is at a right angle or beyond is not near at all), or the one that is farthest from those taken (`centre`).

    coverage is the greedy facility location of Lin & Bilmes 2011 and leaves outliers alone; centre is the k-centre of Gonzalez 1985
    and seeks them, so it suits clean rows only. Both look at vectors, at 2,000 rows drawn by seed where there are more, and take
    k x 2,000 x 2,000 x width. Choose it for free text, and where labels are coarse and texts varied; `nearest` where prompts may
    differ. Raises UsageError for a store without vectors.
    """

    class Settings(config.Settings):
        """Settings of `diverse`."""

        k: int = setting(4, ge=0, le=1000, help="how many rows are shown; 0 for none", unit="rows")
        by: Literal["coverage", "centre"] = setting("coverage", help="stand for all rows, or lie far apart")
        seed: int = setting(0, ge=0, help="which rows are looked at where there are many")

    per_query: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    def order(self, store: ExampleStore, queries: Sequence[Query]) -> list[list[int]]:
        """Positions in the store, for every query."""
        vectors = store.vectors()
        if vectors is None:
            raise UsageError("diverse rows are found by vectors, and this store has none", hint="give it an encoder")
        sample = np.sort(np.array(drawn(store, self.settings.seed)[:SAMPLE], np.int64))
        # A few more than k, for queries that are among them.
        likeness = vectors[sample] @ vectors[sample].T
        chosen = _spread(likeness, min(len(sample), self.settings.k + 8), by=self.settings.by)
        return without_itself(sample[chosen].tolist(), store, queries, self.settings.k)


def _spread(likeness: np.ndarray, k: int, *, by: str) -> list[int]:
    """Greedy choice on (n, n) cosines; of equal rows the first. Begins with the row that is most like all others."""
    near = np.maximum(likeness, 0.0)
    best = np.zeros(len(likeness), np.float32) if by == "coverage" else np.full(len(likeness), -1.0, np.float32)
    chosen: list[int] = []
    for _ in range(k):
        covered = np.maximum(near, best[:, None]).sum(0) if by == "coverage" or not chosen else -best
        gain = np.round(covered, 5)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        best = np.maximum(best, likeness[:, chosen[-1]])
    return chosen
