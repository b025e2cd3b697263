"""Repair, recurring lines, measures, language: by hand, and by properties over whatever a str can hold."""

import time
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.data.clean import (
    MEASURES,
    FrequentKeys,
    RepairOptions,
    identify,
    line_key,
    lines_of,
    measure,
    repair,
    template_key,
    without_lines,
)

ANY = st.text(st.characters(exclude_categories=()), max_size=60)

BY_HAND = [
    ("plain words, 1.5 and (brackets)!", "plain words, 1.5 and (brackets)!", ()),
    ("schÃ¶n und grÃ¼n", "schön und grün", ("mojibake",)),
    ("e\u0301", "é", ("Unicode form",)),
    ("soft\u00adhyphen zero\u200bwidth \ufeffmark", "softhyphen zerowidth mark", ("invisible characters",)),
    ("soft\u00adhyphen, Mid\u00adTier, 13a\u00ad15", "soft-hyphen, Mid-Tier, 13a-15", ("invisible characters",)),
    ("a\x00b\x07c", "abc", ("control characters",)),
    ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour", ("control characters",)),
    ("  two  blanks\tand a tab  \n\n\n\nend ", "two blanks and a tab\n\nend", ("white space",)),
    ("5 &lt; 6 &amp; 7&nbsp;kg", "5 < 6 & 7 kg", ("HTML remains", "white space")),
    ("<p>One</p><p>Two<br/>three</p> <b>bold</b>", "One\n\nTwo\nthree\n bold", ("HTML remains", "white space")),
    ("a < b and c > d, vector<int> x", "a < b and c > d, vector<int> x", ()),
    ("<script>alert(1)</script>text", "text", ("HTML remains", "white space")),
    ("lone \ud800 half", "lone \ufffd half", ("control characters",)),
    ("日本語　テキスト", "日本語　テキスト", ()),
    ("family 👨‍👩‍👧 and flag 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "family 👨‍👩‍👧 and flag 🏴󠁧󠁢󠁥󠁮󠁧󠁿", ()),
    ("می‌خواهم", "می‌خواهم", ()),
    ("", "", ()),
]


@pytest.mark.parametrize(("text", "wanted", "reasons"), BY_HAND, ids=range(len(BY_HAND)))
def test_repairs_by_hand(text, wanted, reasons):
    got, why = repair(text, RepairOptions())
    assert got == wanted
    assert set(why) == set(reasons)


def test_by_hand_table_is_whole():
    assert len(BY_HAND) == 17


@given(ANY)
def test_repairing_twice_is_repairing_once(text):
    once, why = repair(text, RepairOptions())
    assert repair(once, RepairOptions()) == (once, ())
    assert bool(why) == (once != text)


@given(ANY)
def test_repaired_text_is_clean(text):
    got, _ = repair(text, RepairOptions())
    assert unicodedata.is_normalized("NFC", got)
    got.encode("utf-8")
    assert not [sign for sign in got if unicodedata.category(sign) == "Cc" and sign not in "\n\t"]
    assert got == got.strip(" \n\t")


@given(ANY)
def test_nothing_is_done_that_was_not_asked_for(text):
    off = RepairOptions(mojibake=False, form=None, invisible=False, control=False, html=False, spaces="off")
    assert repair(text, off) == (text, ())


def test_indentation_and_markup_stay_where_a_model_writes():
    code = "def f(x):\n    return x  \n\n\n\nprint(f(1))\t# &amp; <b>"
    got, _ = repair(code, RepairOptions(html=False, spaces="ends"))
    assert got == "def f(x):\n    return x\n\n\n\nprint(f(1))\t# &amp; <b>"


def test_lines_that_differ_in_numbers_are_one():
    assert line_key("Page 3 of 10") == line_key("  page 12 of  10 ") != None  # noqa: E711
    assert line_key("12") is None
    assert line_key("x" * 301) is None
    assert lines_of("only one line") == Counter()
    text = "Page 1\nThe contract begins.\nPage 2"
    assert without_lines(text, {line_key("Page 7")}) == ("The contract begins.", ["Page 1", "Page 2"])
    assert without_lines("Page 1\nPage 2", {line_key("Page 1")}) == ("Page 1\nPage 2", [])


@given(st.lists(st.sampled_from("abcdefghij"), max_size=300))
def test_frequent_keys_lose_nothing_frequent(keys):
    exact = Counter(keys)
    few = FrequentKeys(room=5)
    for key in keys:
        few.add([(key, 1)])
    for key, count in exact.items():
        if count > len(keys) / 5 + 1:
            assert few.at_least(1)[key] >= count - len(keys) / 5
    assert FrequentKeys().at_least(1) == {}


def test_templates_are_told_by_their_fixed_words():
    made = [
        f"Dear {name}, your order {n} was sent on Monday and will arrive" for name, n in (("Ann", 1), ("Bob Ross", 22))
    ]
    assert template_key(made[0]) == template_key(made[1])
    assert template_key("Where is my card?") is None
    assert template_key("dear friend, your order was sent on a day and will arrive") is None


def test_measures_by_hand():
    got = measure("one two three " * 10)
    assert (got["characters"], got["words"], got["repetition"]) == (140, 30, 1.0)
    assert measure("M?ller and \ufffd")["broken"] == pytest.approx(2 / 12)
    assert measure("really?Yes, what?I mean, page?id=3")["broken"] == 0
    assert measure("Hello {{name}}, [insert date] lorem ipsum")["placeholders"] == 3
    assert measure("§§§ab")["symbols"] == pytest.approx(0.6)
    assert measure("这是一个句子。")["symbols"] == 0


@given(ANY)
def test_measures_are_bounded(text):
    got = measure(text)
    assert set(got) == set(MEASURES)
    assert all(value >= 0 for value in got.values())
    assert max(got["symbols"], got["repetition"], got["broken"]) <= 1


def test_language_says_nothing_of_short_texts():
    assert identify("ok") is None
    assert identify("") is None
    assert identify("12 34 56 78 90 12 34 56 78 90 12 34") is None
    assert identify("\ud800" * 50) is None
    assert identify("Das ist ein deutscher Satz über das Wetter von gestern.").code == "de"
    assert identify("これは日本語の文章です。今日はいい天気ですね。").code == "ja"


@pytest.mark.parametrize("piece", [" ", "\t", " \t", "<script>", "<!--", "<style><!--", "</", "{{ ", "&#1", "\u200d"])
@pytest.mark.parametrize("end", ["", "x"])
def test_time_grows_no_faster_than_the_text(piece, end):
    def seconds(size: int) -> float:
        text = f"one{piece * (size // len(piece))}{end}"
        start = time.process_time()
        repair(text, RepairOptions())
        measure(text)
        template_key(text)
        return time.process_time() - start

    assert seconds(100_000) < 1 or seconds(100_000) < 8 * seconds(25_000)
