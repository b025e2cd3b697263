"""Choosers: the contract that all hold to, and what each one is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tailorlm.context.choosers import choosers
from tailorlm.context.prompt import fit, show
from tailorlm.context.retrieval.text_index import TextIndex
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.errors import UsageError
from tailorlm.core.parts import Part

NAMES = list(choosers)


class Plane:
    """An encoder of the test: a text begins with the angle at which it lies, in degrees."""

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        angles = np.radians([float(text.split()[0]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def store_of(angles: Sequence[float], labels: str | None) -> ExampleStore:
    """Rows `ANGLE word`, one label (a letter) each."""
    rows = tuple(
        Example(f"row{i}", f"{angle} word{i % 3}", f"answer {i}", labels[i] if labels else None)
        for i, angle in enumerate(angles)
    )
    plane = Plane()
    vectors = plane.queries([row.text for row in rows])
    return ExampleStore(rows, TextIndex.of([row.text for row in rows], vectors), StoreSettings(), plane, None)  # type: ignore[arg-type]


def part(name: str, **settings: Any) -> Part:
    return Part(name, choosers.get(name).Settings(**settings), choosers)


STORE = store_of([0, 10, 20, 90, 100, 110, 180, 190, 200, 270], "aaabbbcccd")


def test_the_suite_found_every_chooser() -> None:
    assert NAMES == ["random", "balanced", "diverse", "nearest"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [0, 1, 3, 10, 50])
def test_k_different_rows_and_never_the_row_itself(name: str, k: int) -> None:
    queries = [Query(row.text, row.id) for row in STORE.examples] + [Query("45 something"), Query("10 word1")]
    orders = choosers.get(name)(choosers.get(name).Settings(k=k)).order(STORE, queries)
    assert len(orders) == 12
    for i, order in enumerate(orders):
        own = {i} if i < 10 else set()
        assert len(order) == len(set(order)) == min(k, 10 - len(own))
        assert not own & set(order)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_again_and_without_a_query(name: str) -> None:
    made = choosers.get(name)(choosers.get(name).Settings(k=4))
    queries = [Query("15 word0"), Query("250 word2")]
    orders = made.order(STORE, queries)
    assert orders == made.order(STORE, queries)
    assert orders[1:] == made.order(STORE, queries[1:])
    assert (orders[0] == orders[1]) == (not made.per_query)
    assert made.order(STORE, []) == []


@pytest.mark.parametrize("name", ["random", "balanced"])
def test_a_draw_is_the_seeds_and_grows_without_swapping(name: str) -> None:
    orders = [
        tuple(choosers.get(name)(choosers.get(name).Settings(k=5, seed=s)).order(STORE, [Query("0")])[0])
        for s in range(12)
    ]
    assert len(set(orders)) > 6
    few = choosers.get(name)(choosers.get(name).Settings(k=3, seed=2)).order(STORE, [Query("0")])[0]
    assert tuple(few) == orders[2][:3]
    more = ExampleStore((*STORE.examples, Example("later", "0 x", "y", "a")), STORE.texts, STORE.settings, None, None)
    drawn = [
        i for i in choosers.get("random")(choosers.get("random").Settings(k=99)).order(more, [Query("0")])[0] if i < 10
    ]
    assert drawn == choosers.get("random")(choosers.get("random").Settings(k=99)).order(STORE, [Query("0")])[0]


def test_balanced_shows_each_label_before_any_twice() -> None:
    for seed in range(5):
        order = choosers.get("balanced")(choosers.get("balanced").Settings(k=7, seed=seed)).order(STORE, [Query("0")])[
            0
        ]
        labels = [STORE.examples[i].label for i in order]
        assert sorted(map(str, labels[:4])) == ["a", "b", "c", "d"]
        assert sorted(map(str, labels[4:])) == ["a", "b", "c"]
    with pytest.raises(UsageError, match="rows without labels cannot be balanced"):
        choosers.get("balanced")(choosers.get("balanced").Settings()).order(store_of([0, 1], None), [Query("0")])


def test_coverage_takes_the_middle_of_each_group_and_centre_the_far_ones() -> None:
    groups = store_of([0, 10, 20, 120, 130, 140, 240, 250, 260], "aaabbbccc")
    diverse = choosers.get("diverse")
    assert sorted(diverse(diverse.Settings(k=3)).order(groups, [Query("0")])[0]) == [1, 4, 7]
    outlier = store_of([0, 1, 2, 3, 4, 5, 6, 90], "aaaaaaab")
    assert 7 in diverse(diverse.Settings(k=2, by="centre")).order(outlier, [Query("0")])[0]
    words = ExampleStore(
        STORE.examples, TextIndex.of([row.text for row in STORE.examples]), StoreSettings(), None, None
    )
    with pytest.raises(UsageError, match="by vectors"):
        diverse(diverse.Settings()).order(words, [Query("0")])


def test_nearest_is_by_likeness_and_shown_nearest_last() -> None:
    near = part("nearest", k=3, retriever="dense")
    assert near.make().order(STORE, [Query("9 x")]) == [[1, 0, 2]]
    shown = show(near, STORE, [Query("9 x"), Query("10 word1", "row1")])
    assert [row.id for row in shown[0].examples] == ["row2", "row0", "row1"]
    assert [row.id for row in shown[1].examples] == ["row3", "row2", "row0"]
    by_words = part("nearest", k=2, retriever="bm25")
    assert by_words.make().order(STORE, [Query("200 nothing")]) == [[8]]  # what shares no word is not near


def test_nearest_with_labels_in_turn() -> None:
    order = part("nearest", k=4, retriever="dense", balance=True).make().order(STORE, [Query("12 x")])[0]
    assert [STORE.examples[i].label for i in order] == ["a", "b", "d", "c"]
    assert order[0] == 1
    order = part("nearest", k=6, retriever="dense", balance=True).make().order(STORE, [Query("12 x")])[0]
    assert Counter(STORE.examples[i].label for i in order) == {"a": 2, "b": 2, "c": 1, "d": 1}
    near = part("nearest", k=4, retriever="dense", balance=True, pool=4).make().order(STORE, [Query("12 x")])[0]
    assert [STORE.examples[i].label for i in near] == ["a", "a", "a", "b"]


def test_a_budget_keeps_the_most_wanted_and_says_the_cost() -> None:
    def tokens(row: Example) -> int:
        return {"row1": 5, "row0": 100, "row2": 4}.get(row.id, 1)

    near = part("nearest", k=3, retriever="dense")
    shown = show(near, STORE, [Query("9 x")], count=tokens, budget=10)[0]
    assert [row.id for row in shown.examples] == ["row2", "row1"]
    assert (shown.tokens, shown.left_out) == (9, 1)
    assert show(near, STORE, [Query("9 x")], count=tokens)[0].tokens == 109
    assert show(near, STORE, [Query("9 x")], count=tokens, budget=0)[0].examples == ()
    assert show(near, STORE, [Query("9 x")])[0].tokens == 0
    with pytest.raises(UsageError, match="needs something that counts"):
        show(near, STORE, [Query("9 x")], budget=10)
    with pytest.raises(UsageError, match="cannot be negative"):
        fit([1], lambda item: 1, -1)


@pytest.mark.parametrize("name", NAMES)
def test_one_row_answers(name: str) -> None:
    single = store_of([30], "a")
    made = choosers.get(name)(choosers.get(name).Settings(k=3))
    assert made.order(single, [Query("30 word0"), Query("30 word0", "row0")]) == [[0], []]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_bounds_and_matters(name: str) -> None:
    from pydantic import ValidationError

    settings = choosers.get(name).Settings
    assert "k" in settings.model_fields
    for bad in ({"k": -1}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            settings(**bad)
