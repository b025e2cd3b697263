"""Effect sizes: by hand, and by what they must not do (grow with the number of rows)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.data.audit.effect import cliffs_delta, cramers_v, effective_number, epsilon_squared, rarefied

SAMPLE = st.lists(st.integers(0, 5), max_size=12)


def test_by_hand() -> None:
    # Of six pairs four are greater, one is equal, one smaller.
    assert cliffs_delta([3, 5], [1, 3, 4]).size == pytest.approx((4 - 1) / 6)
    assert effective_number([10, 10, 10, 0]) == pytest.approx(3)
    assert effective_number([1, 3]) == pytest.approx(4 / 3**0.75)
    # Two words of two: one drawn twice at random from {a, b}: 2 * (1 - 1/4).
    assert rarefied([1, 1], 2) == pytest.approx(1.5)
    # All apart: V is 1 but for the correction.
    assert cramers_v(np.array([[50, 0], [0, 50]])).size == pytest.approx(1.0, abs=0.01)
    # H = 12 / (6 * 7) * (6^2 / 3 + 15^2 / 3) - 3 * 7 = 27/7; (H - 1) / (n - 1 - 1).
    assert epsilon_squared([[1, 2, 3], [4, 5, 6]]).size == pytest.approx((27 / 7 - 1) / 4)


@given(SAMPLE, SAMPLE)
def test_cliffs_delta_counts_pairs(one: list[int], other: list[int]) -> None:
    found = cliffs_delta(one, other)
    pairs = [(a > b) - (a < b) for a in one for b in other]
    assert found.size == pytest.approx(sum(pairs) / len(pairs) if pairs else 0.0)
    assert cliffs_delta(other, one).size == pytest.approx(-found.size)
    assert 0 <= found.p <= 1


@given(st.lists(SAMPLE, max_size=4))
def test_epsilon_squared_is_a_share(samples: list[list[int]]) -> None:
    found = epsilon_squared(samples)
    assert 0 <= found.size <= 1
    assert 0 <= found.p <= 1


def test_chance_alone_has_no_size() -> None:
    random = np.random.default_rng(0)
    groups = [random.normal(size=20).tolist() for _ in range(50)]
    assert epsilon_squared(groups).size < 0.05
    assert cramers_v(np.array([random.multinomial(200, [1 / 40] * 40) for _ in range(2)])).size < 0.15


def test_empty_and_alike() -> None:
    assert cliffs_delta([], [1]).size == 0
    assert cliffs_delta([1, 1], [1]).size == 0
    assert epsilon_squared([]).size == epsilon_squared([[1], [1]]).size == 0
    assert cramers_v(np.zeros((2, 3), int)).size == cramers_v(np.array([[3, 4]])).size == 0
    assert effective_number([]) == rarefied([], 5) == 0
