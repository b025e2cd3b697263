"""Words: folded, and placed where they stand."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.data.near.words import placed_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! … 😀", []),
        ("Don't  PANIC_now, v1.5", ["don", "t", "panic", "now", "v1", "5"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("カﾞ ｶﾞ ガ", ["ガ", "ガ", "ガ"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("한국어 말", ["한국어", "말"]),
        ("Straße ＡＢＣ１２", ["strasse", "abc12"]),
        ("e\u0301te\u0301 soft\u00adhyphen", ["été", "softhyphen"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("x\ud800y", ["x", "y"]),
    ],
)
def test_by_hand(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_places_are_those_of_the_words(text: str) -> None:
    placed = placed_words(text)
    assert [word for word, _, _ in placed] == words(text)
    assert all(0 <= start < end <= len(text) for _, start, end in placed)
    assert all(a.end <= b.start for a, b in itertools.pairwise(placed))


@given(st.text(st.characters(categories=["L", "Nd", "Zs", "Po"]), max_size=30))
def test_case_and_punctuation_do_not_count(text: str) -> None:
    assert words(f"«{text}»\n") == words(text)
    assert [unicodedata.normalize("NFKC", word) for word in words(text)] == words(text)
