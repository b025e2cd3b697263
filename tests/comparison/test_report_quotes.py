"""Answers in a context, in the report: shown in their text, counted by whether they stand there."""

from __future__ import annotations

import pytest
from report_fixture import HOSTILE, make

from tailorlm.comparison.report import render_html, render_markdown
from tailorlm.evaluation.kinds import kind_of

CONTEXT = "The red fox ran, the blue fox sat.\n\nQuestion: who ran?"
GOLD = [{"text": "The red fox", "start": 0}, {"text": "red fox", "start": 4}]


@pytest.fixture
def result() -> dict[str, object]:
    found = make()
    kind, ways = kind_of("quote"), [way["name"] for way in found["ways"]]
    given = [
        {"text": "red fox", "start": 4},
        {"text": "blue fox", "start": 21},
        {"text": "a bear", "start": None},
        {"text": "", "start": None},
    ]
    answers = dict(zip(ways, given, strict=False))
    row = {
        "id": "q1",
        "text": CONTEXT,
        "gold": kind.shown(GOLD),
        "answers": {name: kind.shown(value) for name, value in answers.items()},
        "right": [name for name, value in answers.items() if kind.right(GOLD, value)],
        "marks": {"gold": kind.marks(GOLD), "answers": {n: kind.marks(v) for n, v in answers.items()}},  # type: ignore[attr-defined]
    }
    found["disagreements"] = [row]
    counts = {"n": 60, "quoted": 40, "not_in_text": 7, "no_answer": 13, "token_f1": 0.51, "exact_match": 0.4}
    found["quotes"] = [{"rows_with": "an answer", **counts}, {"rows_with": "no answer", **counts, "n": 5}]
    return found


def test_answers_are_shown_where_they_stand(result: dict[str, object]) -> None:
    page = render_html(result)
    shown = page[page.index('id="disagreements"') : page.index('id="all-wrong"')]
    assert "<bdi>The red fox</bdi>" in shown
    assert shown.count("agrees with the file:") == 1, "another right answer is right"
    assert "<bdi>blue fox</bdi>" in shown
    assert "a bear (not in the text)" in shown.replace("<wbr>", "")
    assert "(no answer)" in shown.replace("<wbr>", "")


def test_what_was_quoted_is_a_table(result: dict[str, object]) -> None:
    page, text = render_html(result), render_markdown(result)
    for told in (page, text):
        assert "What was quoted" in told
        assert "Questions with an answer" in told
        assert "Questions without one" in told
    assert "| Questions with an answer | 60 | 40 | 7 | 13 | 0.510 | 0.400 |" in text
    assert 'href="#quotes"' in page
    assert "What was quoted" not in render_html(make())
    result["quotes"] = [{"rows_with": HOSTILE}]
    assert "<script>alert" not in render_html(result)
