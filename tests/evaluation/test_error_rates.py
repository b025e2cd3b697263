"""How often the comparison is wrong, by the simulations of `benchmarks/statistics_check.py` (larger: docs/studies).

Seeds are fixed, so these do not flicker. Bounds are those of the blueprint: at the 5 % level at most 7 % false alarms.
"""

from __future__ import annotations

from typing import Any

import pytest


def test_the_simulated_ways_are_realistic(simulated: Any) -> None:
    assert 0.06 < simulated.discordant(simulated.World(), times=40) < 0.08


def test_two_equal_ways_are_told_apart_in_at_most_7_percent(simulated: Any) -> None:
    rates = simulated.false_alarms(simulated.World(), 2, times=200)
    assert 0.0 < rates.verdict <= 0.07


def test_any_of_nine_equal_ways_is_called_worse_in_at_most_7_percent(simulated: Any) -> None:
    """Unadjusted p-values against the best would cry wolf in about half of all comparisons."""
    rates = simulated.false_alarms(simulated.World(), 9, times=200, resamples=600)
    assert 0.0 < rates.verdict <= 0.07
    assert rates.alone > 0.3


def test_nine_equal_ways_by_macro_f1(simulated: Any) -> None:
    rates = simulated.false_alarms(simulated.World(n=400), 9, metric="macro_f1", times=100, resamples=400)
    assert rates.verdict <= 0.08


def test_three_points_are_found_between_two_ways(simulated: Any) -> None:
    assert simulated.power(simulated.World(), [0.82, 0.85], times=100) >= 0.80


def test_three_points_are_found_among_nine_ways(simulated: Any) -> None:
    """No less power than with two ways: the best of eight equal ways is a lucky one, which makes up for the adjustment.

    In docs/studies/statistics.md: 93 % with two ways, 95 % with nine.
    """
    assert simulated.power(simulated.World(), [0.82] + [0.85] * 8, times=60, resamples=600) >= 0.80


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_95_percent_interval_covers(simulated: Any, metric: str) -> None:
    held, _ = simulated.coverage(simulated.World(n=300), metric, times=300)
    assert 0.925 <= held <= 0.98


def test_three_seeds_that_differ_by_a_point_raise_no_alarms(simulated: Any) -> None:
    """Tests on rows alone, which take the trained models as given, call a way worse far too often here."""
    world = simulated.World(n=600, shared=0.88, by_way=0.04, seed_spread=0.015, seeds=3)
    rates = simulated.false_alarms(world, 4, times=100, resamples=400)
    assert rates.verdict <= 0.09
    assert rates.holm > 0.2
