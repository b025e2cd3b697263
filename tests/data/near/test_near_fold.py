"""Folding by table is `normalised`, to the letter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailorlm.data import normalised
from tailorlm.data.near.fold import fold, raw

HARD = [
    "",
    "  ",
    "?!",
    "Where is my card?",
    "1 2",
    "1, 2",
    "1\u200b2",
    "1 \u200b 2",
    "a 1",
    "2 b",
    "٣ ٤",
    "Straße STRASSE",
]
HARD += [
    "e\u0301t\u00e9",
    "한국어 \u1112\u1161\u11ab",
    "日本 語。",
    "ﬁne…",
    "½ ² ①",
    "I ❤\ufe0f it 😀",
    "\ud800 x",
    "x\udc00",
]
HARD += ["İstanbul", "ΌΣΟΣ", "\u0fd9", "ｶﾞ", "a\x00b\u2028c", "हिन्दी", "\ufeffbom", "\u00b4x", "5\u00a06", "12.5%"]


def shown(texts: list[str]) -> list[str]:
    codes, starts = fold(texts)
    assert starts[0] == 0
    assert starts[-1] == codes.size
    return ["".join(map(chr, codes[a:b].tolist())) for a, b in itertools.pairwise(starts)]


def test_by_hand():
    assert shown(["Hello, World!", "", "?!", "1.5 km", "15km"]) == ["helloworld", "", "?!", "1 5km", "15km"]


def test_texts_that_need_care():
    assert len(HARD) == 30
    assert shown(HARD) == [normalised(text) for text in HARD]
    assert shown([]) == []


@settings(max_examples=200)
@example(texts=["1", "2"])
@example(texts=["\ud83d", "\ude00"])
@given(texts=st.lists(st.text(max_size=20), max_size=8))
def test_any_texts(texts: list[str]) -> None:
    assert shown(texts) == [normalised(text) for text in texts]


@pytest.mark.parametrize("low", range(0, 0x20000, 0x8000))
def test_every_character_between_others(low: int) -> None:
    texts = [
        f"{around[0]}{chr(code)}{around[1]}" for code in range(low, low + 0x8000, 7) for around in ("a1", "1 ", "é가")
    ]
    assert shown(texts) == [normalised(text) for text in texts]


@given(st.lists(st.text(st.characters(), max_size=9), max_size=5))
def test_raw_keeps_every_code_point(texts: list[str]) -> None:
    codes, starts = raw(texts)
    assert ["".join(map(chr, codes[a:b].tolist())) for a, b in itertools.pairwise(starts)] == texts
    assert codes.dtype == np.uint32
