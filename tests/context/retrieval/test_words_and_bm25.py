"""BM25: its words in every script, its scores against the formula, and its order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.context.retrieval.bm25 import Bm25
from tailorlm.context.retrieval.words import terms
from tailorlm.core.errors import TailorError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  .,;!? — ", []),
        ("The WHO said it to US: it's on.", ["the", "who", "said", "it", "to", "us", "it", "s", "on"]),
        ("ERR_42 v2.1", ["err", "42", "v2", "1"]),
        ("Straße ÜBER", ["strasse", "über"]),
        ("u\u0308ber", ["über"]),
        ("ＡＢＣ１２", ["abc12"]),
        ("東京駅", ["東", "東京", "京", "京駅", "駅"]),
        ("東 京", ["東", "京"]),
        ("在iPhone上", ["在", "iphone", "上"]),
        ("한국어를 말", ["한국어를", "한국", "국어", "어를", "말"]),
        ("หมอ", ["ห", "หม", "ม", "มอ", "อ"]),
        ("привет, Мир", ["привет", "мир"]),
        ("👍🏽 ok 👨‍👩‍👧", ["ok"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("नमस्ते", ["नमस्ते"]),
    ],
)
def test_terms_by_hand(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def by_formula(texts: Sequence[str], query: str, k1: float, b: float) -> list[float]:
    """Lucene's BM25 written out, sharing nothing with the code but the words."""
    rows = [Counter(terms(text)) for text in texts]
    lengths = [sum(row.values()) for row in rows]
    mean = sum(lengths) / len(lengths)
    scores = []
    for row, length in zip(rows, lengths, strict=True):
        total = 0.0
        for term in terms(query):
            having = sum(term in other for other in rows)
            if having and row[term]:
                idf = math.log(1 + (len(rows) - having + 0.5) / (having + 0.5))
                total += idf * row[term] / (row[term] + k1 * (1 - b + b * length / mean))
        scores.append(total)
    return scores


TEXTS = [
    "the card was charged twice twice twice",
    "the card",
    "",
    "東京駅で電車に乗る",
    "refund of a charged fee, and of the card fee",
    "京都の駅",
    "👍",
]


@pytest.mark.parametrize(
    "query", ["card", "charged card card", "the fee", "駅", "東京", "nothing here", "", "!!", "京都駅"]
)
@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.0, 0.0), (2.0, 1.0)])
def test_scores_are_the_formulas(query: str, k1: float, b: float) -> None:
    scores = Bm25(k1, b).fit(TEXTS).scores(query)
    assert scores.dtype == np.float32
    assert scores.tolist() == pytest.approx(by_formula(TEXTS, query, k1, b), abs=1e-5)


words = st.text(alphabet="abc 東京駅한국", max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), words, st.integers(1, 10))
def test_search_is_the_sorted_formula(texts: list[str], query: str, k: int) -> None:
    found = Bm25().fit(texts).search(query, k)
    expected = Bm25().fit(texts).scores(query)
    order = sorted((i for i in range(len(texts)) if expected[i] > 0), key=lambda i: (-expected[i], i))[:k]
    assert [i for i, _ in found] == order
    assert all(set(terms(query)) & set(terms(texts[i])) for i, _ in found)


def test_equal_texts_come_in_their_order() -> None:
    assert [i for i, _ in Bm25().fit(["b", "a x", "a x", "c", "a x"]).search("a", 2)] == [1, 2]


@pytest.mark.parametrize("texts", [TEXTS, ["", "  "], [], ["\ud800 half", "whole"]])
def test_saved_and_loaded_is_the_same(texts: list[str], tmp_path: Path) -> None:
    made = Bm25(1.2, 0.5).fit(texts)
    made.save(tmp_path)
    loaded = Bm25.load(tmp_path)
    assert (loaded.k1, loaded.b, loaded.count) == (1.2, 0.5, len(texts))
    for query in ["card", "東京", "whole", ""]:
        assert np.array_equal(loaded.scores(query), made.scores(query))
    assert not any(path.suffix == ".pkl" for path in tmp_path.iterdir())


def test_a_damaged_file_is_said() -> None:
    with pytest.raises(TailorError, match="no readable word index"):
        Bm25.load(Path("nowhere"))
