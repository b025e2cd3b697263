"""Splits and samples: bounds for every label, groups together, the same everywhere."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.core.errors import CheckError, UsageError
from tailorlm.data import stratified, subsample

LABELS = st.lists(st.sampled_from(["a", "b", "c", "d", "rare"]), min_size=1, max_size=60)
FRACTION = st.floats(0.01, 0.99)


@given(LABELS, FRACTION, st.integers(0, 2**40))
def test_split_keeps_the_share_of_every_label(labels: list[str], fraction: float, seed: int) -> None:
    sizes = Counter(labels)
    if max(sizes.values()) < 2:
        with pytest.raises(CheckError, match="no row can be held out"):
            stratified(labels, fraction, seed)
        return
    kept, out = stratified(labels, fraction, seed)
    assert sorted(kept + out) == list(range(len(labels)))
    assert kept == sorted(kept)
    assert out == sorted(out)
    held = Counter(labels[i] for i in out)
    for label, size in sizes.items():
        low, high = (1, size - 1) if size > 1 else (0, 0)
        assert low <= held[label] <= high
        assert abs(held[label] - size * fraction) < 1 or held[label] in (low, high)
    assert stratified(labels, fraction, seed) == (kept, out)


def test_total_is_right_with_many_labels() -> None:
    labels = [f"l{i % 77}" for i in range(770)]
    _, out = stratified(labels, 0.25, 3)
    assert len(out) == 193  # not 77 x 2: remainders go to some labels
    assert set(Counter(labels[i] for i in out).values()) == {2, 3}


@given(LABELS, FRACTION, st.integers(0, 99), st.randoms(use_true_random=False))
def test_groups_stay_together(labels: list[str], fraction: float, seed: int, dice: random.Random) -> None:
    groups = [dice.randrange(max(1, len(labels) // 2)) for _ in labels]
    sizes = Counter(labels)
    try:
        kept, out = stratified(labels, fraction, seed, groups=groups)
    except CheckError:
        # Only when no group can go without taking all of a label with it.
        for group in set(groups):
            inside = Counter(label for label, g in zip(labels, groups, strict=True) if g == group)
            assert any(inside[label] == sizes[label] for label in inside)
        return
    assert not {groups[i] for i in kept} & {groups[i] for i in out}
    assert sorted(kept + out) == list(range(len(labels)))
    assert {labels[i] for i in kept} == set(labels)


def test_a_label_in_one_group_is_kept() -> None:
    labels = ["a", "a", "b", "b", "b"]
    kept, out = stratified(labels, 0.5, 0, groups=["g", "g", 1, 2, 3])
    assert kept[:2] == [0, 1]
    assert len(out) in (1, 2)


def test_a_big_group_is_held_when_it_is_the_only_way() -> None:
    labels = ["a"] * 7
    kept, out = stratified(labels, 0.2, 0, groups=[0, 0, 0, 0, 1, 1, 1])
    assert (kept, out) == ([0, 1, 2, 3], [4, 5, 6])


def test_golden_split() -> None:
    """The order is sha256's, so these values hold on every machine and for ever.

    Made by: python -c "from tailorlm.data import *; print(stratified(list('aabbbbccccc'), 0.4, 7)[1])"
    """
    labels = list("aabbbbccccc")
    assert stratified(labels, 0.4, 7)[1] == [0, 4, 8, 10]
    assert subsample(labels, 5, 7) == [0, 4, 5, 8, 10]


def test_seeds_differ_and_global_randomness_is_untouched() -> None:
    labels = ["a", "b"] * 50
    state = random.getstate()
    assert len({tuple(stratified(labels, 0.2, seed)[1]) for seed in range(20)}) == 20
    assert len({tuple(subsample(labels, 10, seed)) for seed in range(20)}) == 20
    assert random.getstate() == state


def test_every_row_is_equally_likely() -> None:
    labels = ["a"] * 10
    counts = Counter(i for seed in range(2000) for i in stratified(labels, 0.3, seed)[1])
    assert counts.total() == 6000
    assert all(abs(n - 600) < 100 for n in counts.values())  # 100 is five standard deviations


@given(LABELS, st.integers(1, 70), st.integers(0, 99))
def test_subsample(labels: list[str], limit: int, seed: int) -> None:
    chosen = subsample(labels, limit, seed)
    assert len(chosen) == min(limit, len(labels)) == len(set(chosen))
    assert chosen == sorted(chosen)
    sizes, places = Counter(labels), Counter(labels[i] for i in chosen)
    if limit >= len(sizes):
        assert set(places) == set(sizes)
    for label in sizes:
        # Within two places of its share, apart from the one place that everyone has.
        assert places[label] <= sizes[label] * limit / len(labels) + 2
    assert set(chosen) <= set(subsample(labels, limit + 1, seed))


def test_subsample_with_fewer_places_than_labels_takes_the_biggest() -> None:
    labels = ["a"] * 5 + ["b"] + ["c"] * 3
    assert {labels[i] for i in subsample(labels, 2, 0)} == {"a", "c"}


@given(st.integers(2, 50), FRACTION)
def test_the_name_of_a_label_does_not_matter(count: int, fraction: float) -> None:
    assert stratified(["a"] * count, fraction, 1) == stratified(["z"] * count, fraction, 1)


def test_wrong_options() -> None:
    for fraction in (0, 1, -0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="fraction"):
            stratified(["a", "a"], fraction, 0)
    with pytest.raises(UsageError, match="1 groups, 2 labels"):
        stratified(["a", "a"], 0.5, 0, groups=[1])
    with pytest.raises(UsageError, match="limit"):
        subsample(["a"], 0, 0)
    with pytest.raises(CheckError):
        stratified([], 0.5, 0)
    assert subsample([], 3, 0) == []
