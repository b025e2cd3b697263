"""Holm by hand and by definition; max-T by definition and by its properties."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm, studentized_range

from tailorlm.evaluation.multiple import Resampled, holm, max_t


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


def test_holm_equals_its_definition_by_rejection() -> None:
    """The adjusted p is the smallest level at which Holm's step-down procedure rejects."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(int(rng.integers(1, 9))) ** 3
        adjusted = holm(list(p))
        for level in (0.001, 0.01, 0.05, 0.2, 0.5):
            rejected = np.zeros(len(p), dtype=bool)
            for rank, i in enumerate(np.argsort(p)):
                if p[i] > level / (len(p) - rank):
                    break
                rejected[i] = True
            assert ((np.array(adjusted) <= level) == rejected).all()


def resampled(values: np.ndarray, drawn: np.ndarray) -> Resampled:
    return Resampled(values, drawn, np.zeros_like(drawn), np.zeros(len(values)))


def test_max_t_equals_step_down_by_definition() -> None:
    rng = np.random.default_rng(1)
    values = np.array([0.80, 0.84, 0.85, 0.86, 0.70])
    drawn = values[:, None] + rng.normal(scale=0.01, size=(5, 500)) * np.array([1, 1, 2, 0.5, 1])[:, None]
    found = max_t(resampled(values, drawn))
    pairs = list(combinations(range(5), 2))
    strayed = np.array([drawn[i] - drawn[j] - (values[i] - values[j]) for i, j in pairs])
    spread = strayed.std(axis=1)
    t, stars = np.abs([values[i] - values[j] for i, j in pairs]) / spread, np.abs(strayed) / spread[:, None]
    left, largest, expected = set(range(len(pairs))), 0.0, {}
    for place in np.argsort(-t):
        reached = np.count_nonzero(stars[sorted(left)].max(axis=0) >= t[place])
        largest = max(largest, (1 + reached) / 501)
        expected[pairs[place]] = largest
        left.remove(int(place))
    assert found == pytest.approx(expected)


def test_one_pair_needs_no_adjustment_and_more_pairs_cost_something() -> None:
    rng = np.random.default_rng(2)
    values = np.array([0.85, 0.83])
    drawn = values[:, None] + rng.normal(scale=0.007, size=(2, 20_000))
    two = resampled(values, drawn)
    z = 0.02 / (0.007 * np.sqrt(2))
    assert two.p_value(0, 1) == pytest.approx(2 * norm.sf(z), abs=0.005)
    assert max_t(two)[0, 1] == pytest.approx(two.p_value(0, 1), abs=1e-4)
    more = np.append(values, [0.849] * 6)
    many = resampled(more, more[:, None] + rng.normal(scale=0.007, size=(8, 20_000)))
    assert max_t(many)[0, 1] > 3 * two.p_value(0, 1)


def test_independent_ways_give_tukeys_test() -> None:
    """The largest of all differences of like, independent, normal scores has the studentised range distribution."""
    rng = np.random.default_rng(3)
    for ways, gap in ((3, 0.030), (9, 0.045)):
        values = np.array([0.85 - gap] + [0.85 - gap / 2] * (ways - 2) + [0.85])
        found = resampled(values, values[:, None] + rng.normal(scale=0.01, size=(ways, 40_000)))
        expected = studentized_range.sf(gap / 0.01, ways, np.inf)
        assert max_t(found)[0, ways - 1] == pytest.approx(expected, abs=0.006)
        assert expected > 1.8 * found.p_value(0, ways - 1)


def test_copies_of_a_way_cost_nothing() -> None:
    """Eight times the same answers are one question, not 36: Bonferroni would not know."""
    rng = np.random.default_rng(3)
    base = rng.normal(scale=0.01, size=(2, 5_000))
    values = np.array([0.82] + [0.85] * 8)
    found = resampled(values, values[:, None] + base[[0] + [1] * 8])
    assert max_t(found)[0, 1] == pytest.approx(found.p_value(0, 1), abs=1e-9)
    assert max_t(found)[1, 2] == 1.0


def test_no_difference_and_no_spread_are_not_divided() -> None:
    values = np.array([0.5, 0.5, 0.7])
    found = max_t(resampled(values, np.tile(values[:, None], 300)))
    assert found[0, 1] == 1.0
    assert found[0, 2] == found[1, 2] == 1 / 301
    assert max_t(resampled(values[:1], np.ones((1, 300)))) == {}
