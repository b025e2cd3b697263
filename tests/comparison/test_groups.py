"""Parts of the test rows: lengths, frequencies, slices; and what the report makes of them and of answers that stand in a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from report_fixture import HOSTILE, make

from tailorlm.comparison.groups import EMPTY, OTHERS, frequencies, group_tables, lengths, slices
from tailorlm.comparison.report import render_html, render_markdown
from tailorlm.comparison.report.marked import marked_row
from tailorlm.comparison.report.sure import coverage, reliability
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Split, split_rows
from tailorlm.core.errors import UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.evaluation import Predictions
from tailorlm.evaluation import sureness as of_answers
from tailorlm.tasks.base import Examples
from tailorlm.tasks.classify import Classify


def test_lengths_in_four_stretches() -> None:
    groups, order = lengths(["a" * n for n in (1, 2, 3, 4, 5, 6, 7, 8)])
    assert order == ["1–2", "3–4", "5–6", "7–8"]
    assert groups == ["1–2"] * 2 + ["3–4"] * 2 + ["5–6"] * 2 + ["7–8"] * 2
    assert lengths(["東京"] * 5) == (["2"] * 5, ["2"])
    assert lengths([]) == ([], [])


def test_frequencies_of_the_rarest_label() -> None:
    train: list[Any] = ["a"] * 30 + ["b"] * 3
    groups, order = frequencies(train, ["a", "b", "c"])
    assert groups == ["20–99", "1–4", "0"]
    assert order[0] == "0"
    assert frequencies([["a", "b"], ["a"]], [["a"], ["a", "z"], []])[0] == ["1–4", "0", ""]
    assert frequencies([[[0, 2, "x"]]], [[[0, 2, "x"], [3, 4, "y"]]])[0] == ["0"]
    assert frequencies([1.0, 2.0], [1.0])[0] == [""]
    assert frequencies([[{"text": "a", "start": 0}]], [[{"text": "a", "start": 0}]])[0] == [""]


def test_slices_by_value() -> None:
    assert slices(["x", "y", "x", " "]) == (["x", "y", "x", EMPTY], ["x", "y", EMPTY])
    groups, order = slices([f"v{i}" for i in range(30)] + ["v0"])
    assert order[0] == "v0"
    assert order[-1] == OTHERS
    assert groups.count(OTHERS) == 10
    assert slices([str(i) for i in range(40)])[1] == ["0–9", "10–19", "20–29", "30–39"]


def split_of(gold: list[str], columns: dict[str, tuple[str, ...]]) -> Split:
    names = tuple(f"{i}" for i in range(len(gold)))
    test = Examples(names, tuple("t" * (i + 1) for i in range(len(gold))), tuple(gold), ("a", "b"))
    return Split(test.select([0, 0, 1]), test, columns=columns)


def test_tables_hold_every_way_and_the_interval_of_one() -> None:
    split = split_of(["a", "b", "a", "b"], {"country": ("de", "de", "fr", "fr"), "one": ("x",) * 4})
    right = Predictions(split.test.ids, split.test.gold, split.test.gold, ("a", "b"))
    wrong = Predictions(split.test.ids, split.test.gold, ("a", "a", "a", "a"), ("a", "b"))
    tables = group_tables(split, {"good": right, "bad": wrong}, "bad", CompareSettings(metric="accuracy"))
    assert [table["by"] for table in tables] == ["length of text, characters", "country", "one"]
    rows = tables[1]["rows"]
    assert [(row["group"], row["n"], row["scores"]) for row in rows] == [
        ("de", 2, {"good": 1.0, "bad": 0.5}),
        ("fr", 2, {"good": 1.0, "bad": 0.5}),
    ]
    assert all(row["low"] < 0.5 < row["high"] for row in rows)


def test_a_slice_that_is_no_column_is_refused_and_others_follow_their_rows() -> None:
    values = [{"text": f"text {i}", "label": "ab"[i % 2], "country": f"c{i}"} for i in range(12)]
    rows = Rows(tuple(Row(v, "f.csv", i) for i, v in enumerate(values, 2)), ("text", "label", "country"))
    task = Classify(Classify.Settings())
    with pytest.raises(UsageError, match="no column 'county'") as error:
        split_rows(task, rows, None, CompareSettings(slices=("county",)))
    assert error.value.hint == "--slice country"
    found = split_rows(task, rows, None, CompareSettings(slices=("country",)))
    assert [f"c{text.split()[1]}" for text in found.test.texts] == list(found.columns["country"])
    assert len(found.test) == 3


# ---- shown


def test_answers_in_their_text() -> None:
    row = {
        "text": "Ann in Rome",
        "marks": {"gold": [[0, 3, "p"], [7, 11, "l"]], "answers": {"x": [[0, 3, "l"], [7, 11, "l"]]}},
    }
    tones = {"l": 0}
    found = marked_row(row, tones)
    assert found is not None
    assert [(p["text"], p["name"]) for p in found["gold"]] == [("Ann", "p"), (" in ", ""), ("Rome", "l")]
    said = found["answers"]["x"]
    assert [(p["text"], p["wrong"]) for p in said["pieces"] if p["name"]] == [("Ann", True), ("Rome", False)]
    assert said["missed"] == ["Ann (p)"]
    assert tones == {"l": 0, "p": 1}
    assert marked_row({"text": "x"}, {}) is None


def test_marks_that_overlap_lie_far_out_or_hold_odd_signs() -> None:
    text = "x" * 3000 + "李雷\u202e😀 </mark><script>" + "y" * 3000
    row = {"text": text, "marks": {"gold": [[3000, 3004, "n"], [3000, 3002, "m"]], "answers": {"w": []}}}
    found = marked_row(row, {})
    assert found is not None
    assert [p["text"] for p in found["gold"] if p["name"]] == ["李雷😀"]
    assert len("".join(p["text"] for p in found["gold"])) < 400
    assert found["answers"]["w"]["missed"] == ["李雷 (m)", "李雷😀 (n)"]


def full(name: str = "card") -> dict[str, Any]:
    """A comparison with everything that this file is about, and text that would like to be markup."""
    result = make(ways=3, labels=4)
    gold = [f"{name}/a", f"{name}/b"] * 10
    scores = np.tile([[0.7, 0.3], [0.4, 0.6]], (10, 1))
    some = Predictions(
        tuple(f"{i}" for i in range(20)),
        tuple(gold),
        tuple(gold[:10] + gold[11:] + gold[:1]),
        (f"{name}/a", f"{name}/b"),
        scores,
    )
    result["calibration"] = of_answers.reliability(*of_answers.best_answers(some), what="answers")
    result["coverage"] = of_answers.coverage(some)
    result["levels"] = [{"level": 1, "names": 1, "n": 20, "right": 1.0}]
    ways = [way["name"] for way in result["ways"]]
    row = {"group": HOSTILE, "n": 20, "scores": dict.fromkeys(ways, 0.5), "low": 0.3, "high": 0.7}
    result["groups"] = [{"by": HOSTILE, "rows": [row]}]
    marks = {"gold": [[0, 5, HOSTILE]], "answers": {way: [[6, 9, HOSTILE]] for way in ways}}
    result["disagreements"][0] |= {"text": HOSTILE, "marks": marks}
    return result


def test_pages_show_all_of_it_and_nothing_comes_to_life() -> None:
    result = full()
    html, page = render_html(result), render_markdown(result)
    for words in ("How sure, and how right", "Level by level", "Where it goes wrong", "Calibration error"):
        assert words in html
    for words in ("How sure, and how right", "Level by level", "Where it goes wrong"):
        assert words in page
    assert "<script" not in html
    assert "<img" not in html
    assert 'class="t' in html
    assert "<mark" in html
    assert html.count("<svg") == html.count("</svg>")
    assert render_html(result) == html


def test_pictures_of_nothing_and_of_extremes() -> None:
    assert reliability(None) is None
    assert coverage({}) is None
    one = of_answers.reliability(np.array([1.0]), np.array([1.0]), what="answers")
    shown = reliability(one)
    assert shown is not None
    assert shown["points"][0]["x"] == pytest.approx(shown["right"])
    wrong = of_answers.coverage(Predictions(("a",), ("x",), ("y",), ("x", "y"), np.array([[0.1, 0.9]])))
    curve = coverage(wrong)
    assert curve is not None
    assert curve["line"] == [(pytest.approx(curve["right"]), pytest.approx(curve["bottom"]))]
