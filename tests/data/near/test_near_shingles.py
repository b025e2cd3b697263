"""Shingles, signatures and the true similarity against plain sets."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from near_rows import rows

from tailorlm.core.errors import UsageError
from tailorlm.data.near import Shingles, Signatures
from tailorlm.data.near.verify import jaccard

TEXTS = st.lists(st.text("ab cde 日é1", max_size=12), min_size=1, max_size=6)


def test_sets_by_hand():
    assert Shingles(3).sets(["A bcd!", "ab", "", "日本語文"]) == [{"abc", "bcd"}, {"ab"}, set(), {"日本語", "本語文"}]
    assert Shingles(2, "words").sets(["one two, two THREE", "one", "?!"]) == [
        {"one two", "two two", "two three"},
        {"one"},
        set(),
    ]


@pytest.mark.parametrize(
    "shingles", [Shingles(1), Shingles(3), Shingles(5), Shingles(1, "words"), Shingles(3, "words")]
)
@given(texts=TEXTS)
def test_hashes_are_equal_where_shingles_are(shingles: Shingles, texts: list[str]) -> None:
    hashes, starts, counts = shingles.hashes(texts)
    sets = shingles.sets(texts)
    for own, start, count in zip(sets, starts.tolist(), counts.tolist(), strict=True):
        found = hashes[start : start + count].tolist()
        assert len(set(found)) == len(own)
        for other, other_start, other_count in zip(sets, starts.tolist(), counts.tolist(), strict=True):
            there = set(hashes[other_start : other_start + other_count].tolist())
            assert len(set(found) & there) == len(own & other)


@pytest.mark.parametrize("shingles", [Shingles(3), Shingles(5), Shingles(2, "words")])
def test_true_similarity_against_sets(shingles: Shingles) -> None:
    texts = [*rows(80), "", "?!", "ab", "日本語のテキスト", "日本語テキスト"]
    pairs = np.array([(i, j) for j in range(len(texts)) for i in range(j)])
    sets = shingles.sets(texts)
    expected = [len(sets[i] & sets[j]) / max(len(sets[i] | sets[j]), 1) for i, j in pairs]
    assert jaccard(texts, pairs, shingles).tolist() == expected
    assert max(expected) == 1.0
    assert sum(x > 0.5 for x in expected) > 30


def test_many_pairs_of_long_texts_in_little_memory():
    """2,500 pairs of texts of 6,000 characters: all at once they would be close to a gigabyte."""
    texts = [" ".join(rows(120, seed=i))[:6000] for i in range(10)]
    pairs = np.array([(i, j) for i in range(10) for j in range(10)] * 25)
    tracemalloc.start()
    similar = jaccard(texts, pairs, Shingles(5)).reshape(25, 10, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (similar == similar[0]).all()
    assert (similar[0].diagonal() == 1).all()
    assert peak < 150e6


def test_signatures_estimate_the_similarity():
    """The mean error over many seeds is nought, and one estimate is as far off as a binomial draw."""
    texts = rows(60, seed=3)
    sets = Shingles(3).sets(texts)
    pairs = [(i, j) for j in range(60) for i in range(j) if texts[i] != texts[j] and sets[i] & sets[j]]
    true = np.array([len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in pairs])
    left, right = np.array(pairs).T
    errors = []
    for seed in range(30):
        signed = Signatures(64, 3, seed=seed).of(texts)
        errors.append((signed[left] == signed[right]).mean(axis=1) - true)
    assert len(pairs) > 100
    assert abs(np.mean(errors)) < 0.003
    spread, expected = np.sqrt(np.mean(np.square(errors))), np.sqrt(np.mean(true * (1 - true)) / 64)
    assert spread == pytest.approx(expected, rel=0.1)


def test_a_signature_depends_on_its_text_alone():
    texts = [*rows(300), "", "a", "x" * 7000]
    signatures = Signatures(32, 3)
    together = signatures.of(texts)
    assert together.shape == (303, 32)
    assert together.dtype == np.uint32
    assert all((signatures.of([text])[0] == own).all() for text, own in zip(texts, together, strict=True))
    assert (Signatures(32, 3, seed=1).of(texts[:1]) != together[:1]).any()
    assert signatures.of([]).shape == (0, 32)


@pytest.mark.parametrize("texts", [["a b c", "A  B, C!"], ["straße", "STRASSE"]])
@pytest.mark.parametrize("unit", ["characters", "words"])
def test_equal_when_folded_gives_equal_signatures(texts: list[str], unit: str) -> None:
    one, other = Signatures(16, 2, unit).of(texts)  # type: ignore[arg-type]
    assert (one == other).all()


def test_bounds():
    with pytest.raises(UsageError, match="size of a shingle"):
        Shingles(0)
    with pytest.raises(UsageError, match="unit of shingles"):
        Shingles(3, "letters")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="permutations"):
        Signatures(0)
    with pytest.raises(UsageError, match="seed"):
        Signatures(seed=-1)
    with pytest.raises(UsageError, match="size of a shingle"):
        Signatures(shingle=99)
