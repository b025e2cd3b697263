"""Exact tests against scipy and against all swaps, one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from tailorlm.evaluation.paired import least_p, mcnemar, sign_flip


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (3, 0), (5, 5), (12, 3), (60, 31), (400, 1)])
def test_mcnemar_is_the_binomial_test_of_discordant_rows(lost: int, won: int) -> None:
    first = np.array([1] * lost + [0] * won + [1, 1, 0])
    second = np.array([0] * lost + [1] * won + [1, 1, 0])
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-12)
    assert mcnemar(second, first) == pytest.approx(expected, rel=1e-12)
    assert sign_flip(first, second, (1, 1)) == mcnemar(first, second)


def test_the_general_test_is_mcnemar_when_all_seeds_agree() -> None:
    """Three seeds that answer alike are one seed: the convolution must give the binomial test."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
        expected = mcnemar(first, second)
        assert sign_flip(3 * first, 3 * second, (3, 3)) == pytest.approx(expected, abs=1e-12)
        assert sign_flip(2 * first, 3 * second, (2, 3)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seeds", [(3, 3), (2, 3), (1, 2), (5, 4)])
def test_several_seeds_equal_all_swaps(seeds: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        first, second = rng.integers(0, seeds[0] + 1, 11), rng.integers(0, seeds[1] + 1, 11)
        gaps = first / seeds[0] - second / seeds[1]
        swaps = np.array(list(product((1, -1), repeat=11)))
        expected = np.mean(np.abs(swaps @ gaps) >= abs(gaps.sum()) - 1e-9)
        assert sign_flip(first, second, seeds) == pytest.approx(expected, abs=1e-12)
        assert sign_flip(second, first, seeds[::-1]) == pytest.approx(expected, abs=1e-12)


def test_no_difference_is_no_evidence() -> None:
    rows = np.array([3, 2, 0, 1])
    assert sign_flip(rows, rows, (3, 3)) == 1.0


def test_many_rows_and_seeds_are_quick_and_near_the_normal() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.binomial(5, 0.85, 20_000), rng.binomial(4, 0.855, 20_000)
    gaps = first / 5 - second / 4
    z = abs(gaps.sum()) / np.sqrt((gaps**2).sum())
    from scipy.stats import norm

    assert sign_flip(first, second, (5, 4)) == pytest.approx(2 * norm.sf(z), abs=0.005)


def test_the_least_p_of_few_rows() -> None:
    assert [least_p(n) for n in (0, 1, 2, 3, 6)] == [1.0, 1.0, 0.5, 0.25, 2 / 64]
    assert least_p(5000) == 0.0
