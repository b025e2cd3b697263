"""What reports say of other tasks: scores before their stage, behind it and at the end, and what was forgotten."""

from __future__ import annotations

import copy
from typing import Any

from report_fixture import make

from tailorlm.comparison.report import render_html, render_markdown
from tailorlm.comparison.report.format import task_facts, task_lines, tasks
from tailorlm.comparison.result import _middle

TOPICS: dict[str, Any] = {
    "task": "classify",
    "metric": "accuracy",
    "higher_is_better": True,
    "unit": "fraction",
    "rows": 80,
    "test_rows": 20,
    "dropped": 2,
    "learnt": [1],
    "before": 0.6,
    "after": {"1": 0.8, "2": 0.75},
}
RATING = TOPICS | {
    "metric": "mae",
    "higher_is_better": False,
    "unit": "steps",
    "after": {"1": 0.5, "2": 0.75},
    "dropped": 0,
}


def test_what_later_stages_took_is_told_whatever_the_metric() -> None:
    topics, rating = tasks({"topics": TOPICS, "rating": RATING})
    assert (topics["began"], topics["own"], topics["end"], topics["lost"]) == ("0.600", "0.800", "0.750", "5.0 points")
    assert rating["lost"] == "0.25", "an error that grew is a loss"
    together = tasks({"topics": TOPICS | {"learnt": [1, 2]}})[0]
    assert (together["own"], together["lost"]) == ("0.750", "–"), "nothing came behind the last stage that learnt it"


def test_lines_and_facts() -> None:
    lines = task_lines({"topics": TOPICS})
    assert lines == [
        "task topics: accuracy 0.800 behind its stage, 0.600 before it, 0.750 at the end: forgotten 5.0 points (20 rows held out)",
        "task topics: 2 rows left out, which stand among test rows",
    ]
    assert task_lines(None) == task_lines({}) == tasks({"topics": TOPICS | {"after": {}}}) == []
    assert task_facts({"topics": TOPICS}) == {"task topics": "accuracy 0.750 on 20 rows held out"}


def test_seeds_are_told_by_their_median() -> None:
    three = [{"topics": TOPICS | {"after": {"1": 0.8, "2": value}}} for value in (0.7, 0.5, 0.6)]
    assert _middle(three)["topics"]["after"] == {"1": 0.8, "2": 0.6}


def test_both_reports_have_the_table_where_there_are_others() -> None:
    result = make()
    assert "Other tasks" not in render_html(result) + render_markdown(result)
    told = copy.deepcopy(result)
    told["ways"][0]["tasks"] = {"a|b<i>": TOPICS}
    page = render_html(told)
    assert "<h3>Other tasks</h3>" in page
    assert "a|b&lt;i&gt;" in page
    assert "5.0 points" in page
    markdown = render_markdown(told)
    assert "### Other tasks" in markdown
    assert "a\\|b\\<i\\>" in markdown
