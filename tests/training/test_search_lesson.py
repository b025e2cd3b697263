"""The lesson of a search: which passages stand before which queries, by a model and an objective that say what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tailorlm.core.errors import CheckError
from tailorlm.training.search import KnownTexts, SearchLesson, together


class Bare(nn.Module):
    """A model whose vectors are known: only its head counts."""

    def __init__(self, head: Any = None) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.zeros(1))
        self.head, self.device = head, torch.device("cpu")


class Told:
    """An objective that keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []

    def losses(self, queries: Any, passages: Any, own: Any, wrong: Any, hard: Any) -> torch.Tensor:
        self.given.append((queries[:, 0].tolist(), passages[:, 0].tolist(), own, wrong, hard))
        return queries[:, 0]


def lesson(
    right: list[list[int]], wrong: list[list[int]], *, passages: int, **changes: Any
) -> tuple[SearchLesson, Told]:
    """Queries 0, 1, 2, ... and passages 0, 1, 2, ..., each a vector of its number."""
    objective, model = Told(), Bare()
    sides = [KnownTexts(model, np.arange(n, dtype=np.float32)[:, None]) for n in (len(right), passages)]  # type: ignore[arg-type]
    settings = {"negatives": 1, "size": 4, "seed": 0} | changes
    return SearchLesson(model, (sides[0], sides[1]), (right, wrong), objective, **settings), objective  # type: ignore[arg-type]


RIGHT = [[0], [1], [1, 2], [3], [0, 4], [5], [6]]
WRONG: list[list[int]] = [[7], [], [8, 9], [0], [], [2, 1], []]


@pytest.mark.parametrize("negatives", [0, 1, 5])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_what_stands_before_each_query(negatives: int, epoch: int) -> None:
    made, told = lesson(RIGHT, WRONG, passages=10, negatives=negatives)
    made.begin(epoch)
    losses = made.losses(range(len(made.bundles)))
    assert losses.tolist() == [sum(bundle) for bundle in made.bundles]
    assert sorted(query for bundle in made.bundles for query in bundle) == list(range(7))
    assert made.counts == [len(bundle) for bundle in made.bundles]
    for bundle, (queries, passages, own, wrong, hard) in zip(made.bundles, told.given, strict=True):
        assert queries == bundle
        assert len(set(passages)) == len(passages), "a passage that several brought is read once"
        drawn = {int(passages[i]) for i in own}
        brought = drawn | {int(passages[j]) for row in hard for j in np.flatnonzero(row)}
        assert brought == set(map(int, passages))
        for row, query in enumerate(bundle):
            assert passages[own[row]] in RIGHT[query]
            assert wrong[row].tolist() == [passage not in RIGHT[query] for passage in passages]
            mine = {int(passages[j]) for j in np.flatnonzero(hard[row])}
            assert mine <= set(WRONG[query])
            assert len(mine) == min(negatives, len(WRONG[query]))


def test_passes_differ_and_are_a_function_of_their_number() -> None:
    many = [[i, i + 50] for i in range(40)]
    made, _ = lesson(many, [[] for _ in many], passages=90)
    first = made.bundles, made.drawn
    made.begin(1)
    second = made.bundles, made.drawn
    made.begin(0)
    assert (made.bundles, made.drawn) == first != second
    other, _ = lesson(many, [[] for _ in many], passages=90, seed=1)
    assert other.fingerprint != made.fingerprint
    assert len(made.order.steps(0)) == len(made.bundles) == 10


def test_a_last_query_alone_joins_the_others() -> None:
    assert together([[1, 2], [3], [4, 5]]) == [[1, 2], [4, 5, 3]]
    assert together([[1]]) == [[1]]
    made, _ = lesson([[i] for i in range(9)], [[] for _ in range(9)], passages=9)
    assert sorted(made.counts) == [4, 5]


def test_nothing_to_be_told_from_is_refused() -> None:
    for changes in ({"size": 1}, {}):
        right = [[0]] if not changes else RIGHT
        with pytest.raises(CheckError, match="a query is told from the passages of the others"):
            lesson(right, [[] for _ in right], passages=10, **changes)
    with pytest.raises(CheckError, match="without wrong passages"):
        lesson([[0]], [[1]], passages=2, negatives=0)
    assert lesson([[0]], [[1]], passages=2)[0].counts == [1]
