"""Passages: they cover the text, fit, and begin at the best border near enough; sentences by hand."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import UsageError
from tailorlm.data import Row, read
from tailorlm.data.passages import Passage, passage_rows, passages, words
from tailorlm.data.sentences import sentence_ends

SHARED = Path(__file__).parents[3] / "shared" / "data"


def sentences(text: str) -> list[str]:
    ends = list(sentence_ends(text))
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def cut(text: str, **options: int) -> list[str]:
    return [text[p.start : p.end] for p in passages(text, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "parts",
    [
        ["Dr. Smith went to Graz. ", "He liked it."],
        ["It costs 3.50 euros, e.g. here. ", "Or there!"],
        ['"Really?" he asked. ', "She nodded."],
        ["Is it? ", "It is! ", "(It was.) ", "Well... perhaps."],
        ["J. R. R. Tolkien wrote it. ", "So did I. ", "Then we slept."],
        ["See Fig. 3 and No. 5 of vol. 2. ", "Done."],
        ["Das gilt z.B. hier, bzw. dort. ", "Und Hr. Maier weiß das."],
        ["今日は。", "明日は？", "「はい。」", "と言った。 ", "終わり"],
        ["यह एक वाक्य है। ", "यह दूसरा है।"],
        ["هل هذا صحيح؟ ", "نعم."],
        ["A line.\n", "Another\nover two lines.\r\n", "End"],
        ["1. The first thing. ", "And more."],
        ["no end at all"],
        ["etc. and so on. ", "Others, etc. ", "Then more."],
        ["wait.what? ", "Yes."],
        ["😀! ", "👍🏽."],
    ],
)
def test_sentences_by_hand(parts: list[str]) -> None:
    assert sentences("".join(parts)) == parts


@settings(max_examples=200, deadline=None)
@given(st.text('aB.!?。 \n\r"1', max_size=60) | st.text(max_size=60))
def test_sentences_cover_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text
    ends = list(sentence_ends(text))
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(text) for end in ends)


def test_headings_come_before_paragraphs_before_sentences() -> None:
    text = "Intro.\n\n# A\n\nFirst one. First two.\n\nSecond.\n\n## A1\n\nDeep.\n\n# B\n\nLast."
    assert cut(text, size=200) == [text]
    assert cut(text, size=50) == [
        "Intro.\n\n",
        "# A\n\nFirst one. First two.\n\nSecond.\n\n",
        "## A1\n\nDeep.\n\n",
        "# B\n\nLast.",
    ]
    made = passages(text, size=40)
    assert [(text[p.start : p.end], p.headings) for p in made] == [
        ("Intro.\n\n", ()),
        ("# A\n\nFirst one. First two.\n\nSecond.\n\n", ("A",)),
        ("## A1\n\nDeep.\n\n", ("A", "A1")),
        ("# B\n\nLast.", ("B",)),
    ]
    assert cut(text, size=26)[1:4] == ["# A\n\nFirst one. ", "First two.\n\nSecond.\n\n", "## A1\n\nDeep.\n\n"]
    assert cut(text, size=16)[1:4] == ["# A\n\nFirst one. ", "First two.\n\n", "Second.\n\n"]
    assert cut("One two. Three four. Five", size=12) == ["One two. ", "Three four. ", "Five"]
    assert cut("One two three", size=8) == ["One two ", "three"]
    assert cut("abcdefgh", size=3) == ["abc", "def", "gh"]


def test_a_passage_that_begins_with_headings_stands_under_them_all() -> None:
    text = "\n\n# A\n\n## A1\n\ntext\n\n## A2\n\nmore"
    assert [p.headings for p in passages(text, size=20)] == [("A", "A1"), ("A", "A2")]


def test_overlap_repeats_whole_sentences() -> None:
    text = "One is here. Two is here. Three is here. Four is here."
    assert cut(text, size=40, overlap=14) == [
        "One is here. Two is here. ",
        "Two is here. Three is here. ",
        "is here. Four is here.",  # the whole sentence would be 15
    ]
    made = passages(text, size=40, overlap=16)
    assert all(b.start < a.end for a, b in pairwise(made))
    assert all(text[p.start : p.end].split()[0] in ("One", "Two", "Three", "Four") for p in made)
    assert cut("a b c d e f g h", size=6, overlap=2)[:3] == ["a b ", "b c d ", "d e f "]
    assert cut("漢字漢字漢字", size=3, overlap=1) == ["漢字", "字漢字", "字漢字"]


def test_nothing_is_repeated_across_a_heading() -> None:
    text = "# A\n\nOne. Two. Three.\n\n# B\n\nFour. Five. Six."
    made = passages(text, size=24, overlap=8)
    at = text.index("# B")
    assert at in [p.start for p in made]
    assert all(p.end <= at or p.start >= at for p in made)


def test_words_as_the_measure() -> None:
    text = "one two three. four five. six seven eight nine"
    assert [text[p.start : p.end] for p in passages(text, size=5, measure=words)] == [
        "one two three. four five. ",
        "six seven eight nine",
    ]
    assert words("two words") == 2
    assert words("") == 0
    assert words("漢字漢字") == 3


def test_wrong_sizes() -> None:
    with pytest.raises(UsageError, match="positive"):
        passages("x", size=0)
    for overlap in (-1, 5, 10):
        with pytest.raises(UsageError, match="0 to 4"):
            passages("x", size=10, overlap=overlap)
    assert passages("", size=10) == []
    assert passages("x", size=10) == [Passage(0, 1, ())]


TEXTS = st.text("ab.。漢\n\r #-`\u0301\u200d😀\ud800", max_size=120) | st.text(max_size=80)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(2, 40), st.integers(0, 19))
def test_passages_cover_the_text_and_fit(text: str, size: int, overlap: int) -> None:
    overlap = min(overlap, (size - 1) // 2)
    made = passages(text, size=size, overlap=overlap)
    at = 0
    for passage in made:
        assert passage.start <= at < passage.end
        assert at - passage.start <= overlap
        assert passage.end - passage.start <= max(size, 32 + overlap)  # a character of many code points stays whole
        at = passage.end
    assert at == len(text)
    if text.isascii():
        assert all(p.end - p.start <= max(size, 2 + overlap) for p in made)


def test_characters_of_several_code_points_stay_whole() -> None:
    family = "👨‍👩‍👧"
    assert cut(family * 3, size=7) == [family] * 3
    assert cut("e\u0301" * 3, size=3) == ["e\u0301"] * 3
    assert cut("a\r\nb", size=2) == ["a", "\r\n", "b"]
    assert max(map(len, cut("a" + "\u0301" * 1000, size=10))) <= 32


def test_rows_of_a_document() -> None:
    text = "# A\n\nFirst page.\n\nSecond page, which is longer."
    row = Row({"text": text, "title": "T", "source": "x.pdf", "pages": [0, text.index("Second")]}, "x.pdf", 1)
    made = list(passage_rows(row, size=30))
    assert [r.values["text"] for r in made] == ["# A\n\nFirst page.\n\n", "Second page, which is longer."]
    assert made[1].values == {
        "text": "Second page, which is longer.",
        "title": "T",
        "source": "x.pdf",
        "start": 18,
        "end": 47,
        "passage": 2,
        "headings": ["A"],
        "page": 2,
    }
    assert made[0].where == "x.pdf:1"
    assert row.values["text"] == text
    assert next(passage_rows(Row({"text": None}, "x", 1), size=9)).values == {"text": None}


HOSTILE = {
    "stops": "." * 300_000 + "x",
    "line ends": "\n" * 300_000,
    "blanks": ("\n" + " " * 999) * 300,
    "headings": "# a\n" * 30_000,
    "crlf": "a\r\n" * 60_000,
    "no end": "word " * 60_000,
    "cjk": "漢" * 100_000,
    "fences": "```\n" * 30_000,
    "underlines": "=\n" * 60_000,
    "quotes": '."' * 60_000,
    "accents": "x " + "\u0301" * 60_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_take_no_time(text: str) -> None:
    begin = time.process_time()
    made = passages(text, size=800, overlap=100)
    assert time.process_time() - begin < 3
    assert made[-1].end == len(text)
    assert max(p.end - p.start for p in made) <= 800


@pytest.mark.shared
def test_real_documents() -> None:
    rows = read(SHARED / "corpus_python_peps" / "validation.jsonl")
    count = 0
    for row in rows:
        made = list(passage_rows(row, size=1000, overlap=120))
        count += len(made)
        text = row.values["text"]
        assert all(text[m.values["start"] : m.values["end"]] == m.values["text"] for m in made)
        begin = [m.values["text"][:1] for m in made[1:]]
        assert sum(not c.isspace() for c in begin) >= 0.9 * len(begin)
    assert count > len(rows)
