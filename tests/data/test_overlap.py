"""Test rows inside train rows: by hand, against plain sets of runs, and what must not be found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.core.errors import UsageError
from tailorlm.data.near.words import words
from tailorlm.data.overlap import Match, Overlap

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


def overlap(*tests: str, n: int = 13, least: int = 5, common: int = 10) -> Overlap:
    made = Overlap(n, least=least, common=common)
    made.add_test(tests)
    return made


def held(train: str, match: Match | None) -> str | None:
    return match and train[match.start : match.end]


def test_a_run_of_thirteen_words_with_its_places():
    train = "Before. THREE, four five six seven eight nine ten eleven twelve thirteen fourteen fifteen! After it."
    match = overlap("unrelated words in this row here", LONG).check(train)
    assert match == Match(1, 8, 89, 8, 88, 13, False)
    assert held(train, match) == "THREE, four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    assert LONG[match.test_start : match.test_end] == held(train, match).replace(",", "").lower()  # type: ignore[union-attr]


def test_twelve_words_are_not_enough_and_more_are_counted():
    parts = LONG.split()
    assert overlap(LONG).check(" ".join(parts[2:14])) is None
    assert overlap(LONG).check(" ".join(parts[2:16])).words == 14  # type: ignore[union-attr]
    whole = overlap(LONG).check(f"x {LONG} y")
    assert (whole.words, whole.whole) == (16, True)  # type: ignore[union-attr]
    broken = " ".join([*parts[:13], "x", *parts[13:]])
    assert overlap(LONG).check(broken).words == 13  # type: ignore[union-attr]


def test_shorter_rows_whole_and_the_shortest_alone():
    tests = overlap("How do I reset my PIN?", "thank you", "?!", "", "😀")
    longer = "Hello, how do I reset my pin... thanks"
    assert held(longer, tests.check(longer)) == "how do I reset my pin"
    assert tests.check("how do I reset my card") is None
    assert tests.check("thank you very much") is None
    assert tests.check("Thank You!") == Match(1, 0, 10, 0, 9, 2, True)
    assert tests.check("?!").test_index == 2  # type: ignore[union-attr]
    assert tests.check("😀").test_index == 4  # type: ignore[union-attr]
    assert tests.check("😡") is None
    assert tests.check("") is tests.check("   ") is None


def test_scripts_without_blanks_count_characters():
    test = "人工智能正在改变我们的生活方式和工作"
    train = "我认为,人工智能正在改变我们的生活方式!"
    assert held(train, overlap(test).check(train)) == "人工智能正在改变我们的生活方式"
    assert overlap(test).check("人工智能正在改变世界") is None
    assert overlap("ｶﾞｶﾞ ABC 日本語").check("x ガガabc日本語 y").words == 6  # type: ignore[union-attr]


def test_case_form_and_punctuation_do_not_count():
    test = "Straße, Café 5: “quoted” text—here"
    match = overlap(test).check("strasse cafe\u0301 5 'quoted' text here")
    assert match is not None
    assert match.whole


def test_all_rows_and_the_longest_first():
    tests = overlap(LONG, LONG.upper(), "five six seven eight nine", "nine ten eleven twelve thirteen fourteen")
    assert len(tests) == 4
    found = tests.matches(f"so {LONG}")
    # Row 1 equals row 0 and is stood for by it.
    assert [(m.test_index, m.words, m.whole) for m in found] == [(0, 16, True), (2, 5, True), (3, 6, True)]
    assert tests.check(LONG).test_index == 0  # type: ignore[union-attr]
    assert tests.add_test(["x y z"]) == range(4, 5)


def test_a_prompt_that_all_test_rows_share_is_no_evidence():
    prompt = "read the following passage with care and then answer the question that stands below it"
    tests = overlap(*(f"{prompt} number {i}" for i in range(30)))
    assert tests.check(f"{prompt} of mine") is None
    whole = tests.check(f"{prompt} number 7, please")
    assert (whole.test_index, whole.whole) == (7, True)  # type: ignore[union-attr]
    assert overlap(*(f"{prompt} number {i}" for i in range(9))).check(f"{prompt} of mine").words == 15  # type: ignore[union-attr]


@given(st.lists(st.text("ab c", max_size=14), max_size=5), st.text("ab c", max_size=20), st.integers(1, 4))
def test_against_plain_runs(tests: list[str], train: str, n: int) -> None:
    """With least=1 and nothing common a row is found exactly when a run of n words, or all of fewer, is shared."""

    def runs(text: str, size: int) -> set[tuple[str, ...]]:
        own = words(text)
        return {tuple(own[i : i + size]) for i in range(len(own) - size + 1)}

    made = overlap(*tests, n=n, least=1, common=99)
    found = {match.test_index: match for match in made.matches(train)}
    first = {tuple(words(text)): i for i, text in reversed(list(enumerate(tests)))}
    expected = {i for own, i in first.items() if own and runs(train, size := min(n, len(own))) & runs(tests[i], size)}
    assert set(found) == expected
    for i, match in found.items():
        shared = words(train[match.start : match.end])
        assert shared == words(tests[i][match.test_start : match.test_end])
        longest = max(size for size in range(1, 21) if runs(train, size) & runs(tests[i], size))
        assert len(shared) == match.words == longest
        assert match.whole == (shared == words(tests[i]))


def test_planted_rows_are_found_among_many():
    rnd = random.Random(1)
    vocabulary = [f"w{i}" for i in range(3000)]
    tests = [" ".join(rnd.choices(vocabulary, k=rnd.randint(8, 40))) for _ in range(200)]
    train = [" ".join(rnd.choices(vocabulary, k=rnd.randint(5, 60))) for _ in range(1000)]
    for i in range(50):
        train[i] = f"{train[i]} {tests[i].upper()}. {train[i + 500]}"
    made = overlap(*tests)
    found = {i: match for i, text in enumerate(train) if (match := made.check(text))}
    assert {i: match.test_index for i, match in found.items()} == {i: i for i in range(50)}


def test_hostile_texts():
    tests = overlap("\ud800 lone surrogate in a row of words", "a " * 100_000, "\x00 nul in the middle of")
    assert tests.check("x \ud800 lone\ud800surrogate in a row of words").test_index == 0  # type: ignore[union-attr]
    assert tests.check("a " * 50_000).words == 50_000  # type: ignore[union-attr]
    assert tests.check("nul\x00in the middle of") is not None
    assert "lone" not in repr(tests) + repr(tests.check("lone surrogate in a row of words"))


def test_bounds():
    for wrong in ({"n": 3, "least": 5}, {"n": 0, "least": 0}, {"n": 5, "least": 0}):
        with pytest.raises(UsageError, match="lengths of runs"):
            Overlap(**wrong)
    with pytest.raises(UsageError, match="common"):
        Overlap(common=0)
