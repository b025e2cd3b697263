"""What fits: examples and passages within a budget of tokens, the most wanted first, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tailorlm.context.store import Example, ExampleStore, Query
from tailorlm.core.errors import UsageError
from tailorlm.core.parts import Part

T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """What fits. items: in the order they came. tokens: what they cost together, 0 where nobody counts. left_out: how many did not."""

    items: tuple[T, ...]
    tokens: int
    left_out: int


@dataclass(frozen=True)
class Shown:
    """The examples for one query in the order they are shown, what they cost in tokens, and how many did not fit."""

    examples: tuple[Example, ...]
    tokens: int
    left_out: int


def fit(items: Sequence[T], count: Callable[[T], int] | None, budget: int | None) -> Kept[T]:
    """The items, most wanted first, that fit into `budget` tokens together; one too long is passed over, and the next one tried.

    count: tokens of one item, counted once each. Raises UsageError for a budget without a count, or below 0.
    """
    if count is None:
        if budget is not None:
            raise UsageError("a budget of tokens needs something that counts them", got=str(budget))
        return Kept(tuple(items), 0, 0)
    if budget is not None and budget < 0:
        raise UsageError("a budget of tokens cannot be negative", got=str(budget), allowed="0 or more")
    kept, spent = [], 0
    for item in items:
        size = count(item)
        if budget is None or spent + size <= budget:
            kept.append(item)
            spent += size
    return Kept(tuple(kept), spent, len(items) - len(kept))


def show(
    chooser: Part,
    store: ExampleStore,
    queries: Sequence[Query],
    *,
    count: Callable[[Example], int] | None = None,
    budget: int | Sequence[int | None] | None = None,
) -> list[Shown]:
    """The examples that a chooser (a part of `context.choosers`) shows for each query, never the row itself.

    Where the choice goes by likeness, the most alike comes last, next to the query, which models follow most (Lu et al. 2022,
    arXiv:2104.08786 on how much order matters); else the order of the draw stays, so that all prompts begin alike. count, budget:
    tokens of an example and how many they may have together (for all queries, or for each); the least wanted are left out.
    """
    part = chooser.make()
    budgets = [budget] * len(queries) if budget is None or isinstance(budget, int) else list(budget)
    answers = []
    for order, most in zip(part.order(store, queries), budgets, strict=True):
        kept = fit([store.examples[i] for i in order], count, most)
        shown = kept.items[::-1] if part.per_query else kept.items
        answers.append(Shown(shown, kept.tokens, kept.left_out))
    return answers
