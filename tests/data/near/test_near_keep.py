"""Which copy stays: every row given up has a kept one beside it, and the rule decides which."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from near_rows import rows

from tailorlm.core.errors import UsageError
from tailorlm.data.near import (
    RULES,
    Bar,
    Cluster,
    Given,
    Pair,
    Shingles,
    choose,
    damage,
    find_near,
    find_semantic,
    keep,
)


def fetching(texts: Sequence[str]) -> Callable[[Sequence[int]], list[str]]:
    return lambda asked: [texts[i] for i in asked]


TEXTS = ["my new card is lost", "other", "My new card is lost!!", "my new card is l&amp;ost", "MY NEW CARD IS LOST"]


@pytest.mark.parametrize(
    ("rule", "kept"), [("first", 0), ("longest", 3), ("cleanest", 2), ("recent", 4)], ids=lambda value: str(value)
)
def test_the_rule_decides(rule: str, kept: int) -> None:
    dates = {0: "2020-01-01", 2: None, 3: "2019-05-01", 4: "2021-01-01"}
    [cluster] = clusters = find_near(TEXTS, threshold=0.6)
    assert cluster.indices == (0, 2, 3, 4)
    given = choose(clusters, fetching(TEXTS), rule=rule, threshold=0.6, when=dates.get)  # type: ignore[arg-type]
    assert [one.index for one in given] == [i for i in (0, 2, 3, 4) if i != kept]
    assert {one.kept for one in given} == {kept}
    assert len(RULES) == 4


def test_a_chain_keeps_both_ends():
    texts = ["abcdefghij", "abcdefghijkl", "abcdefghijklmn"]  # 8, 10 and 12 runs of three
    clusters = find_near(texts, threshold=0.8)
    assert [c.indices for c in clusters] == [(0, 1, 2)]
    assert choose(clusters, fetching(texts), threshold=0.8) == [Given(1, 0, 0.8)]
    assert choose(clusters, fetching(texts), rule="longest", threshold=0.8) == [Given(1, 2, 10 / 12)]


def test_rows_before_all_others_stay():
    texts = ["one and the same row", "one and the same row, longer", "One and the same row"]
    clusters = find_near(texts, threshold=0.6)
    given = choose(clusters, fetching(texts), rule="longest", threshold=0.6, before=lambda row: row == 2)
    assert [(one.index, one.kept) for one in given] == [(0, 2), (1, 2)]


def test_no_row_goes_without_a_near_one_that_stays():
    texts = rows(800, seed=8)
    clusters = find_near(texts, threshold=0.6, shingle=3)
    for rule in ("first", "longest", "cleanest"):
        given = choose(clusters, fetching(texts), rule=rule, threshold=0.6)  # type: ignore[arg-type]
        gone = {one.index for one in given}
        sets = Shingles(3).sets(texts)
        assert len(gone) == len(given) > 200
        for one in given:
            left, right = sets[one.index], sets[one.kept]
            assert one.kept not in gone
            assert one.similarity == len(left & right) / len(left | right) >= 0.6
        # What is left of each cluster has no two rows near each other.
        for cluster in clusters:
            stay = [row for row in cluster.indices if row not in gone]
            assert stay
            assert all(len(sets[a] & sets[b]) < 0.6 * len(sets[a] | sets[b]) for b in stay for a in stay if a < b)


def test_by_vectors():
    vectors = np.array([[1.0, 0], [0, 1], [3, 0.1]])
    clusters = find_semantic(vectors)
    given = choose(clusters, fetching(["a", "b", "longer"]), rule="longest", threshold=0.9, vectors=vectors)
    assert [(one.index, one.kept) for one in given] == [(0, 2)]


def test_damage_by_hand():
    assert damage("Plain text, 5 < 6 & more: cafe\u0301, 日本語 😀\n") == 0
    assert damage("cafÃ© â€œquotedâ€\x9d &nbsp; <br/> \\n x\ufffd\x00") == 9
    assert damage("") == 0


def test_faults():
    with pytest.raises(UsageError, match="no rule called 'best'"):
        choose([], fetching([]), rule="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="when a row was made"):
        choose([], fetching([]), rule="recent")
    assert choose([], fetching([])) == []
    assert choose([Cluster((0, 1), (Pair(0, 1, 1.0, "exact"),))], fetching(["", ""])) == [Given(1, 0, 1.0)]


@pytest.mark.parametrize("threshold", [Bar(), 0.7, 0.5, 1.0], ids=str)
@pytest.mark.parametrize("rule", ["first", "longest"])
def test_a_large_cluster_is_settled_as_one_that_compares_all_pairs(
    monkeypatch: pytest.MonkeyPatch, threshold: float | Bar, rule: str
) -> None:
    draw = random.Random(4)
    words = ["was sent", "was lost", "Was sent!", "is here, we hope, and in one piece", "", "…", "中文"]
    texts = [f"order {draw.randint(0, 2000)} {draw.choice(words)}" for _ in range(700)]
    texts += [draw.choice(["?!", "...", "?!", "", "a", "ab", "A"]) for _ in range(40)]
    clusters = [Cluster(tuple(range(len(texts))), ())]

    def settled() -> list[Given]:
        return choose(clusters, fetching(texts), rule=rule, threshold=threshold)  # type: ignore[arg-type]

    quickly = settled()
    monkeypatch.setattr(keep, "_CROWD", 10**9)
    assert quickly == settled()
    assert 50 < len(quickly) < len(texts)


def test_rows_of_a_template_take_no_quadratic_time():
    texts = [f"order {7919 * i % 100_000} was sent on day {i % 31}" for i in range(12_000)]
    started = time.process_time()
    given = choose([Cluster(tuple(range(len(texts))), ())], fetching(texts), threshold=0.85)
    assert time.process_time() - started < 20  # all pairs of those that stay take minutes
    assert len(given) < len(texts)
