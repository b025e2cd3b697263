"""Retrieval scores: by hand, and against scikit-learn where it has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from tailorlm.context.index.questions import covering
from tailorlm.core.errors import UsageError
from tailorlm.data.rankings import average_precision_at, hit_at, ndcg_at, recall_at, reciprocal_rank_at

RANKINGS = [["a", "b", "c", "d"], ["d", "c"], [], ["x"]]
GOLD = [{"b", "d"}, {"c"}, {"a"}, {"a", "b", "c"}]


def test_by_hand() -> None:
    assert recall_at(RANKINGS, GOLD, 2).tolist() == [0.5, 1, 0, 0]
    assert recall_at(RANKINGS, GOLD, 4).tolist() == [1, 1, 0, 0]
    assert hit_at(RANKINGS, GOLD, 1).tolist() == [0, 0, 0, 0]
    assert hit_at(RANKINGS, GOLD, 2).tolist() == [1, 1, 0, 0]
    assert reciprocal_rank_at(RANKINGS, GOLD, 10).tolist() == [0.5, 0.5, 0, 0]
    assert reciprocal_rank_at(RANKINGS, GOLD, 1).tolist() == [0, 0, 0, 0]
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert ndcg_at(RANKINGS, GOLD, 4).tolist() == pytest.approx([gain / (1 + 1 / math.log2(3)), 1 / math.log2(3), 0, 0])
    assert ndcg_at([["a", "b"]], [{"a": 1, "b": 3}], 2).tolist() == pytest.approx(
        [(1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))]
    )


def test_ndcg_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    for k in (1, 3, 10):
        for _ in range(20):
            grades = random.integers(0, 4, 12).astype(float)
            if not grades.any():
                continue
            scores = random.permutation(12).astype(float)
            ranking = [[int(i) for i in np.argsort(-scores)]]
            gold = [{i: g for i, g in enumerate(grades) if g > 0}]
            assert ndcg_at(ranking, gold, k)[0] == pytest.approx(ndcg_score(grades[None], scores[None], k=k))


def test_average_precision_is_scikit_learns_where_all_is_ranked() -> None:
    random = np.random.default_rng(1)
    seen = 0
    for _ in range(40):
        right, scores = random.random(12) < 0.3, random.permutation(12).astype(float)
        if right.any():
            seen += 1
            ranking, gold = [[int(i) for i in np.argsort(-scores)]], [set(np.flatnonzero(right).tolist())]
            assert average_precision_at(ranking, gold, 12)[0] == pytest.approx(average_precision_score(right, scores))
    assert seen > 30
    assert average_precision_at(RANKINGS, GOLD, 2).tolist() == [0.25, 0.5, 0, 0]


def test_spans_to_passages() -> None:
    passages = [(0, 100), (80, 180), (180, 200)]
    assert covering(passages, 10, 20) == [0]
    assert covering(passages, 85, 95) == [0, 1]  # in the overlap: either answers
    assert covering(passages, 90, 110) == [1]
    assert covering(passages, 170, 195) == [2]  # a border runs through it: where most of it stands
    with pytest.raises(UsageError, match="no passage holds any"):
        covering(passages, 200, 210)
    with pytest.raises(UsageError, match="must not be empty"):
        covering(passages, 5, 5)


@pytest.mark.parametrize("score", [recall_at, hit_at, reciprocal_rank_at, ndcg_at, average_precision_at])
def test_what_has_no_score_is_refused(score: object) -> None:
    assert score([], [], 3).tolist() == []  # type: ignore[operator]
    with pytest.raises(UsageError, match="no gold"):
        score([["a"]], [set()], 3)  # type: ignore[operator]
    with pytest.raises(UsageError, match="in pairs"):
        score([["a"]], [], 3)  # type: ignore[operator]
    with pytest.raises(UsageError, match="same id twice"):
        score([["a", "b", "a"]], [{"a"}], 3)  # type: ignore[operator]
    with pytest.raises(UsageError, match="k counts"):
        score([["a"]], [{"a"}], 0)  # type: ignore[operator]
