"""Copies, conflicts and repeats."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.core.errors import TailorError
from tailorlm.data import Copy, duplicate_ids, find_conflicts, find_copies, find_repeats, normalised, quality


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my card?", "where is my card"),
        ("Where is  my\tcard?\n", "«Where is my card»"),
        ("ＡＢＣ１２", "abc12"),
        ("Straße", "STRASSE"),
        ("ﬁne", "fine"),
        ("e\u0301t\u00e9", "été"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("I \u2764\ufe0f it", "I \u2764 it"),
        ("日本 語。", "日本語"),
        ("3.5 %", "3,5%"),
    ],
)
def test_trivially_equal(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("日本語", "日本"),
        ("great 😀", "great 😡"),
        ("room 12", "room 13"),
        ("costs 1.5", "costs 15"),
        ("page 1 2", "page 12"),
        ("हिन्दी", "हन्द"),
        ("a+b", "a=b"),
        ("?!", "..."),
        ("5 €", "5 $"),
    ],
)
def test_really_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_punctuation_alone_falls_back_to_itself() -> None:
    assert normalised(" ?! ") == "?!"
    assert normalised("") == normalised("  ") == ""


@given(st.text())
def test_normalised_ignores_case_blanks_and_marks(text: str) -> None:
    plain = normalised(text)
    assert normalised(f" \n{text}\u3000") == plain
    if plain and any(c.isalnum() for c in plain):
        assert normalised(f"«{text}»!") == plain


def test_find_copies_by_hand() -> None:
    train = ["Hello!", "hello", "other", "hello"]
    test = ["hello", "HELLO?", "new", "other", "other "]
    assert find_copies(train, test) == [
        Copy(1, 0, "exact"),
        Copy(3, 0, "exact"),
        Copy(0, 1, "trivially different"),
        Copy(2, 3, "exact"),
        Copy(2, 4, "trivially different"),
    ]
    assert find_copies([], test) == find_copies(train, []) == []


def test_many_equal_rows_do_not_give_all_combinations() -> None:
    assert len(find_copies(["same"] * 3000, ["same"] * 2000)) == 4999


TEXTS = st.lists(st.text("abA ?", max_size=4), max_size=8)


@given(TEXTS, TEXTS)
def test_find_copies_against_all_pairs(train: list[str], test: list[str]) -> None:
    found = find_copies(train, test)
    alike = {(i, j) for i, a in enumerate(train) for j, b in enumerate(test) if normalised(a) == normalised(b)}
    pairs = {(copy.train_index, copy.test_index) for copy in found}
    assert pairs <= alike
    assert {i for i, _ in pairs} == {i for i, _ in alike}
    assert {j for _, j in pairs} == {j for _, j in alike}
    assert len(pairs) == len(found) <= len(train) + len(test)
    assert all((copy.kind == "exact") == (train[copy.train_index] == test[copy.test_index]) for copy in found)
    exact = {copy.test_index for copy in found if copy.kind == "exact"}
    assert exact == {j for j, text in enumerate(test) if text in train}


def test_find_conflicts() -> None:
    texts = ["a b", "x", "A B!", "y", "y", "z", "z."]
    labels = ["p", "p", "q", "p", "q", "r", "r"]
    found = find_conflicts(texts, labels)
    assert [(c.indices, c.labels, c.kind) for c in found] == [
        ((0, 2), ("p", "q"), "trivially different"),
        ((3, 4), ("p", "q"), "exact"),
    ]
    assert find_conflicts([], []) == []
    with pytest.raises(TailorError, match="2 texts and 1 labels"):
        find_conflicts(["a", "b"], ["x"])


def test_find_repeats_and_ids() -> None:
    assert find_repeats(["a", "b", "A", "c", "b ", "a."]) == [[0, 2, 5], [1, 4]]
    assert find_repeats([]) == []
    assert duplicate_ids(["1", "2", "1", "01", "1"]) == {"1": [0, 2, 4]}


def test_a_long_text_folds_piece_by_piece_to_what_the_whole_folds_to(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    signs = [
        "a",
        "Z",
        "é",
        "e\u0301",
        "ß",
        "ﬁ",
        "1",
        "5",
        ".",
        " ",
        "\n",
        "中",
        "文",
        "が",
        "か\u3099",
        "\u1112\u1161\u11ab",
        "👩\u200d🚀",
        "Σ",
        "ς",
        "½",
    ]
    for size in (0, 40, 400, 2000):
        for _ in range(40):
            text = "".join(draw.choices(signs, k=size))
            monkeypatch.setattr(quality, "_LONG", 10**9)
            whole = quality.normalised(text)
            monkeypatch.setattr(quality, "_LONG", 16)
            assert quality.normalised(text) == whole
