"""Duplicates by vectors against all cosines at once."""

from __future__ import annotations

import numpy as np
import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.near import Pair, find_semantic
from tailorlm.data.near import vectors as module


def test_by_hand():
    table = np.array([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0], [4.0, 3.0], [-3.0, -4.0], [0.0, 0.0]])
    [cluster] = find_semantic(table, threshold=0.95)
    assert cluster.indices == (0, 2, 3)
    assert cluster.pairs == (Pair(0, 2, 1.0, "semantic"), Pair(0, 3, 0.96, "semantic"))
    assert find_semantic(table, threshold=0.97)[0].indices == (0, 2)
    assert [c.indices for c in find_semantic(table, threshold=1.0)] == [(0, 2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_against_all_pairs(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(300, 16))
    table[150:] = table[:150] + random.normal(size=(150, 16)) * 0.4
    table = (table * random.uniform(0.001, 1000, (300, 1))).astype(dtype)
    wide = table.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    cosines = unit @ unit.T
    found = find_semantic(table, threshold=0.9)
    together = np.eye(300, dtype=bool)
    near = cosines >= 0.9
    for _ in range(9):
        together = (together.astype(int) @ near.astype(int)) > 0
    expected = {tuple(np.flatnonzero(row).tolist()) for row in together if row.sum() > 1}
    assert {c.indices for c in found} == expected
    assert len(expected) > 50
    pairs = [p for c in found for p in c.pairs]
    assert all(p.similarity == pytest.approx(cosines[p.left, p.right], abs=1e-9) and p.similarity >= 0.9 for p in pairs)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert {c.indices for c in find_semantic(table, threshold=0.9)} == expected


def test_edges():
    assert find_semantic(np.zeros((0, 4))) == find_semantic(np.ones((1, 4))) == find_semantic(np.ones((3, 0))) == []
    assert [c.indices for c in find_semantic(np.ones((5, 3), np.int64), threshold=1.0)] == [(0, 1, 2, 3, 4)]
    tiny, huge = np.full((2, 3), 1e-300), np.full((2, 3), 1e300)
    assert [c.indices for c in find_semantic(np.concatenate([tiny, huge]))] == [(0, 1, 2, 3)]


def test_faults():
    with pytest.raises(UsageError, match="threshold"):
        find_semantic(np.ones((2, 2)), threshold=0.0)
    with pytest.raises(TailorError, match="table of numbers"):
        find_semantic(np.ones(3))
    with pytest.raises(TailorError, match="table of numbers"):
        find_semantic(np.array([["a"]]))
    table = np.ones((3000, 2))
    table[2999, 1] = np.nan
    with pytest.raises(TailorError, match="NaN") as fault:
        find_semantic(table)
    assert "row 2999" in str(fault.value)
