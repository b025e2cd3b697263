"""What a search found, in the report: places counted, passages under their queries with the right ones marked, misses first."""

from __future__ import annotations

import pytest
from report_fixture import HOSTILE, make

from tailorlm.comparison.report import render_html, render_markdown
from tailorlm.comparison.report.found import found_at, retrieved
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.predictions import Predictions


@pytest.fixture
def result() -> dict[str, object]:
    found = make()
    gold, said = (["a"], ["b"], ["c"], ["d"]), (["a", "x"], ["x", "b"], ["x"], [])
    predictions = Predictions(("q1", "q2", "q3", "q4"), gold, said, (), None, "ranking")
    passages = [
        {"text": "the fee is due", "score": 0.91, "right": False},
        {"text": "pay at noon", "score": 0.5, "right": True},
    ]
    rows = [
        {"id": "q4", "text": "who?", "at": None, "passages": [], "missing": "the one that was missed"},
        {"id": "q2", "text": f"when? {HOSTILE}", "at": 2, "passages": passages},
        {"id": "q1", "text": "what?", "at": 1, "passages": passages[1:]},
    ]
    return found | kind_of("ranking").tables(predictions) | {"retrieved": rows}


def test_places_are_counted(result: dict[str, object]) -> None:
    lines = {row["where"]: (row["n"], row["share"]) for row in found_at(result)}
    assert list(lines) == ["1", "2 to 5", "6 to 10", "11 to 100", "not among those ranked"]
    assert [lines[where][0] for where in ("1", "2 to 5", "6 to 10", "not among those ranked")] == ["1", "1", "0", "2"]
    assert found_at({}) == retrieved({}) == []


def test_passages_stand_under_their_queries(result: dict[str, object]) -> None:
    page = render_html(result)
    assert '<a href="#found">' in page
    start = page.index('id="found"')
    shown = page[start : page.index("</section>", start)]
    assert shown.index("the one that was missed") < shown.index("the fee is due") < shown.index("what?")
    assert shown.count('class="right"') == 2
    assert shown.count('class="wrong"') == 1
    assert "no right passage was found" in shown
    assert "number 2" in shown
    assert HOSTILE not in page
    assert 'id="found"' not in render_html(make())


def test_the_text_page_names_what_was_missed(result: dict[str, object]) -> None:
    page = render_markdown(result)
    part = page[page.index("## What was found") :]
    assert "| not among those ranked | 2 |" in part
    assert "`who?`: no right passage was found; first comes `nothing`" in part
    assert "first comes `the fee is due`" in part
    assert "`what?`" not in part
    assert "## What was found" not in render_markdown(make())
