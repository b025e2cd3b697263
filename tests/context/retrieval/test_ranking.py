"""The best of many, rankings joined, variety, and exact search over vectors: against plain sorting and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.context.retrieval import flat
from tailorlm.context.retrieval.flat import Flat
from tailorlm.context.retrieval.rank import best, reciprocal_rank, varied


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]), max_size=30), st.integers(0, 40))
def test_best_is_a_stable_sort(scores: list[float], k: int) -> None:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    assert best(np.array(scores, np.float32), k).tolist() == order


def test_reciprocal_rank_by_hand() -> None:
    joined = dict(reciprocal_rank([[1, 2, 3], [3, 4]], constant=60))
    assert joined == pytest.approx({1: 1 / 61, 2: 1 / 62, 3: 1 / 63 + 1 / 61, 4: 1 / 62})
    assert [p for p, _ in reciprocal_rank([[1, 2, 3], [3, 4]])] == [3, 1, 2, 4]  # 2 and 4 are level: the lower number
    assert [p for p, _ in reciprocal_rank([[1, 2], [2, 1]])] == [1, 2]
    assert [p for p, _ in reciprocal_rank([[1], [2]], weights=[1, 2])] == [2, 1]
    assert reciprocal_rank([]) == []
    assert reciprocal_rank([[], []]) == []


def test_variety_by_hand() -> None:
    # Two near copies that fit best, and one other text.
    vectors = np.array([[1, 0], [0.999, 0.0447], [0.6, 0.8]], np.float32)
    relevance = vectors @ np.array([1, 0], np.float32)
    assert varied(relevance, vectors, 3, 1.0).tolist() == [0, 1, 2]
    # 0.5 * 0.6 - 0.5 * 0.6 = 0 for the other one, 0.5 * 0.999 - 0.5 * 0.999 = 0 for the copy: level, the first stays first.
    assert varied(relevance, vectors, 2, 0.5).tolist() == [0, 1]
    assert varied(relevance, vectors, 2, 0.4).tolist() == [0, 2]
    assert varied(relevance, vectors, 9, 0.4).tolist() == [0, 2, 1]
    assert varied(relevance[:0], vectors[:0], 2, 0.4).tolist() == []


def unit(count: int, width: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("store", [np.float32, np.float16])
def test_flat_search_is_plain_sorting_whatever_the_blocks(
    block: int, store: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "BLOCK", block)
    monkeypatch.setattr(flat, "QUERIES", 3)
    texts, queries = unit(150, 8, 0).astype(store), unit(10, 8, 1)
    texts[[20, 90, 149]] = texts[5]  # the same vector in several blocks
    queries[0] = texts[5].astype(np.float32)
    cosines = np.round(texts.astype(np.float64) @ queries.T.astype(np.float64), 5)
    found = Flat(texts).search(queries, 6)
    for i, row in enumerate(found):
        order = sorted(range(150), key=lambda j: (-cosines[j, i], j))[:6]
        assert [p for p, _ in row] == order
        assert [s for _, s in row] == pytest.approx([cosines[p, i] for p in order], abs=2e-5)
    assert [p for p, _ in found[0]][:4] == [5, 20, 90, 149]


def test_flat_search_of_little() -> None:
    assert Flat(np.zeros((0, 8), np.float32)).search(unit(2, 8, 0), 3) == [[], []]
    assert Flat(unit(2, 8, 0)).search(np.zeros((0, 8), np.float32), 3) == []
    assert len(Flat(unit(2, 8, 0)).search(unit(1, 8, 1), 9)[0]) == 2
