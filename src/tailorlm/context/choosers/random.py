"""`random`: k rows drawn once, the same for every query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tailorlm.context.choosers._fixed import drawn, without_itself
from tailorlm.context.store import ExampleStore, Query
from tailorlm.core import config
from tailorlm.core.config import setting


class Random:
    """Draws k rows by seed, which show a share of every label as the data has it.

    The baseline of few-shot prompting; results move with the draw, so compare seeds. Choose it for free text where nothing else is
    known; `balanced` where there are labels, `nearest` where rows are many. Source: Brown et al. 2020, arXiv:2005.14165.
    """

    class Settings(config.Settings):
        """Settings of `random`."""

        k: int = setting(4, ge=0, le=1000, help="how many rows are shown; 0 for none", unit="rows")
        seed: int = setting(0, ge=0, help="which rows are drawn")

    per_query: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    def order(self, store: ExampleStore, queries: Sequence[Query]) -> list[list[int]]:
        """Positions in the store, for every query."""
        return without_itself(drawn(store, self.settings.seed), store, queries, self.settings.k)
