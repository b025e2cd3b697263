"""`balanced`: k rows drawn once, the labels in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tailorlm.context.choosers._fixed import drawn, without_itself
from tailorlm.context.store import ExampleStore, Query
from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError


class Balanced:
    """Draws rows by seed so that every label comes once before any comes twice; labels are drawn too, frequent and rare alike.

    Models lean towards labels that they are shown more often, or last (Zhao et al. 2021, arXiv:2102.09690). Choose it for `classify`
    with a k of at least the number of labels; with more labels than k, `nearest` shows those that matter.
    Raises UsageError for rows without labels.
    """

    class Settings(config.Settings):
        """Settings of `balanced`."""

        k: int = setting(4, ge=0, le=1000, help="how many rows are shown; 0 for none", unit="rows")
        seed: int = setting(0, ge=0, help="which rows are drawn, and which label begins")

    per_query: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    def order(self, store: ExampleStore, queries: Sequence[Query]) -> list[list[int]]:
        """Positions in the store, for every query."""
        order = in_turn(drawn(store, self.settings.seed), store)
        return without_itself(order, store, queries, self.settings.k)


def in_turn(order: Sequence[int], store: ExampleStore) -> list[int]:
    """Positions reordered so that labels take turns, each label's rows and the labels themselves in the order they came in."""
    by_label: dict[str, list[int]] = {}
    for i in order:
        label = store.examples[i].label
        if label is None:
            raise UsageError(
                "rows without labels cannot be balanced over labels",
                got=store.examples[i].id,
                hint="choose `diverse` or `nearest`",
            )
        by_label.setdefault(label, []).append(i)
    turns = {i: turn for rows in by_label.values() for turn, i in enumerate(rows)}
    first = {label: place for place, label in enumerate(by_label)}
    return sorted(order, key=lambda i: (turns[i], first[store.examples[i].label or ""]))
