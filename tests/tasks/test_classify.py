"""`classify`: every fault of the rows with its place and what to type; what labelled rows are; what a careful person is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tailorlm.core.errors import CheckError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.tasks.base import Examples
from tailorlm.tasks.classify import Classify, findings


def rows_of(*values: dict[str, Any], source: str = "train.csv") -> Rows:
    return Rows(
        tuple(Row(v, source, i) for i, v in enumerate(values, 2)), tuple(dict.fromkeys(k for v in values for k in v))
    )


def task(**settings: Any) -> Classify:
    return Classify(Classify.Settings(**settings))


def pairs(*given: tuple[Any, Any]) -> Rows:
    return rows_of(*({"text": text, "label": label} for text, label in given))


GOOD = (("a", "x"), ("b", "y"), ("c", "x"))


# ---- columns


def test_a_missing_column_names_the_nearest_and_the_flag() -> None:
    rows = rows_of({"Text": "a", "labels": "x", "nun": "1"})
    with pytest.raises(UsageError) as error:
        task().prepare(rows, what="train")
    assert (
        str(error.value)
        == "the train rows have no column 'text'\n  got:      columns: Text, labels, nun\n  try:      --text Text"
    )
    with pytest.raises(UsageError) as error:
        task(text="Text").columns(rows, what="test")
    assert (
        str(error.value)
        == "the test rows have no column 'label'\n  got:      columns: Text, labels, nun\n  try:      --label labels"
    )
    with pytest.raises(UsageError, match="the given rows have no column 'num'") as error:
        task(text="Text", label="labels", id="num").columns(rows, what="given")
    assert error.value.hint == "--id nun"
    with pytest.raises(UsageError) as error:
        task(text="qqqq").columns(rows, what="train")
    assert error.value.hint == "--text Text", "the first, when none is alike"
    with pytest.raises(UsageError) as error:
        task().columns(Rows((), ()), what="train")
    assert error.value.got == "columns: (none)"
    task(text="Text", label="labels", id="nun").columns(rows, what="train")


# ---- faults


@pytest.mark.parametrize("empty", ["", " ", "\t\n", None])
def test_rows_without_text_or_label(empty: Any) -> None:
    assert task().faults(pairs(*GOOD, (empty, "x"))) == {3: "no text in the column 'text'"}
    assert task().faults(pairs(*GOOD, ("a", empty))) == {3: "no label in the column 'label'"}
    assert task().faults(pairs((empty, empty))) == {0: "no text in the column 'text'"}, "one reason a row"
    assert task(text="t").faults(rows_of({"t": empty, "label": "x"})) == {0: "no text in the column 't'"}


@pytest.mark.parametrize("value", [["a"], [], {"a": 1}, {}])
def test_rows_with_lists_or_objects(value: Any) -> None:
    assert task().faults(pairs(*GOOD, (value, "x"))) == {3: "a list or object in the column 'text'"}
    assert task().faults(pairs(*GOOD, ("a", value))) == {3: "a list or object in the column 'label' (one label a row)"}


def test_a_row_that_lacks_the_key_is_a_fault() -> None:
    assert task().faults(rows_of({"text": "a", "label": "x"}, {"text": "b"})) == {1: "no label in the column 'label'"}


def test_numbers_and_booleans_are_labels_as_written() -> None:
    rows = pairs(("a", 1), ("b", 2.5), ("c", True), (7, "1"))
    assert task().faults(rows) == {}
    ready = task().prepare(rows, what="train")
    assert ready.labels == ("1", "2.5", "true")
    assert ready.gold == ("1", "2.5", "true", "1")
    assert ready.texts[3] == "7"


def test_one_fault_is_told_with_its_place() -> None:
    with pytest.raises(CheckError) as error:
        task().prepare(pairs(*GOOD, ("", "x")), what="train")
    assert str(error.value) == (
        "1 row has no text in the column 'text'\n  got:      train.csv:5\n  try:      mend these rows, or set up to N aside with --max-bad N"
    )
    assert error.value.exit_code == 3


def test_many_faults_are_counted_and_some_are_shown() -> None:
    with pytest.raises(CheckError) as error:
        task().prepare(pairs(*GOOD, *[("a", None)] * 11), what="train")
    assert error.value.what == "11 rows have no label in the column 'label'"
    assert error.value.got == ", ".join(f"train.csv:{i}" for i in range(5, 13)) + " and 3 more"


def test_one_label_only_is_refused_with_the_columns() -> None:
    with pytest.raises(CheckError) as error:
        task().prepare(pairs(("a", "x"), ("b", " x ")), what="train")
    assert str(error.value).splitlines() == [
        "all 2 train rows have the same label",
        "  got:      label = 'x'",
        "  expected: two labels or more",
        "  try:      is 'label' the right column? the columns are: text, label",
    ]
    with pytest.raises(CheckError, match="there are no train rows"):
        task().prepare(Rows((), ("text", "label")), what="train")


def test_labels_that_train_does_not_have() -> None:
    rows = pairs(("a", "x"), ("b", "z"), ("c", "w"), ("d", "z"))
    with pytest.raises(CheckError) as error:
        task().prepare(rows, what="test", labels=("x", "y"))
    assert error.value.what == "3 rows have a label that no train row has ('w', 'z')"
    assert error.value.got == "train.csv:3, train.csv:4, train.csv:5"
    with pytest.raises(CheckError, match="1 row has a label that no train row has"):
        task().prepare(rows, what="test", labels=("x", "z"))
    ready = task().prepare(pairs(("a", "x")), what="test", labels=("x", "y"))
    assert ready.labels == ("x", "y"), "one label is enough for rows to be scored on"


def test_ids_that_stand_twice() -> None:
    rows = rows_of(
        *({"text": "a", "label": label, "n": n} for label, n in (("x", "1"), ("y", "2"), ("x", "1"), ("y", "3")))
    )
    with pytest.raises(CheckError) as error:
        task(id="n").prepare(rows, what="train")
    assert error.value.what == "2 rows share a value of the id column 'n'"
    assert error.value.got == "train.csv:2, train.csv:4"
    assert "leave --id out" in error.value.hint
    assert task(id="n").prepare(rows.select([0, 1, 3]), what="train").ids == ("1", "2", "3")
    assert task().prepare(rows, what="train").ids == ("train.csv:2", "train.csv:3", "train.csv:4", "train.csv:5")


def test_ids_must_be_there() -> None:
    rows = rows_of({"text": "a", "label": "x", "n": 1}, {"text": "b", "label": "y", "n": None})
    with pytest.raises(CheckError, match="no value in the id column 'n'") as error:
        task(id="n").prepare(rows, what="train")
    assert error.value.got == "train.csv:3"


def test_labels_are_stripped_and_sorted_and_texts_are_kept() -> None:
    ready = task().prepare(pairs((" a ", " y"), ("b", "x\n"), ("c", "y")), what="train")
    assert ready.labels == ("x", "y")
    assert ready.gold == ("y", "x", "y")
    assert ready.texts == (" a ", "b", "c")
    assert ready.codes.tolist() == [1, 0, 1]


# ---- words for labels


def test_words_for_labels() -> None:
    words = task(descriptions={"b": "something else"}).label_texts(["a_b", "b", "cardArrival", "top-up", "ATM", "x"])
    assert words == ["a b", "something else", "card Arrival", "top up", "ATM", "x"]
    with pytest.raises(UsageError, match="descriptions names a label that no train row has: 'cardarival'") as error:
        task(descriptions={"cardarival": "?"}).label_texts(["cardArrival", "x"])
    assert error.value.hint == "did you mean 'cardArrival'?"
    with pytest.raises(UsageError) as error:
        task(descriptions={"qqqq": "?"}).label_texts(["x", "y"])
    assert error.value.hint is None


# ---- labelled rows


def labelled(*given: tuple[str, str], labels: tuple[str, ...] = ("x", "y")) -> Examples:
    return Examples(
        tuple(str(i) for i in range(len(given))), tuple(t for t, _ in given), tuple(g for _, g in given), labels
    )


def test_the_fingerprint_is_that_of_texts_labels_and_label_set_in_order() -> None:
    one = labelled(("a", "x"), ("b", "y"))
    assert one.fingerprint == labelled(("a", "x"), ("b", "y")).fingerprint
    assert one.fingerprint == Examples(("other", "ids"), one.texts, one.gold, one.labels).fingerprint
    others = [
        labelled(("b", "y"), ("a", "x")),
        labelled(("a", "y"), ("b", "y")),
        labelled(("a ", "x"), ("b", "y")),
        labelled(("a", "x"), ("b", "y"), labels=("x", "y", "z")),
        labelled(("a", "x")),
        labelled(("a\ud800", "x"), ("b", "y")),
    ]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 7


def test_selected_rows_keep_the_label_set() -> None:
    rows = labelled(("a", "x"), ("b", "y"), ("c", "x"), labels=("x", "y", "z"))
    part = rows.select([2, 0])
    assert (part.ids, part.texts, part.gold, part.labels) == (("2", "0"), ("c", "a"), ("x", "x"), ("x", "y", "z"))
    assert len(rows.select([])) == 0
    assert rows.select([]).codes.shape == (0,)
    assert rows.select([]).codes.dtype == np.int64


# ---- what a careful person is told


def test_findings_name_conflicts_single_rows_and_imbalance() -> None:
    rows = labelled(
        *[(f"t{i}", "x") for i in range(40)], ("same", "x"), ("Same!", "y"), ("only", "z"), labels=("x", "y", "z")
    )
    found = {f["code"]: f for f in findings(rows)}
    assert set(found) == {"conflicting-labels", "single-row-label", "imbalance"}
    assert found["conflicting-labels"]["message"] == "1 text with two or more labels"
    assert found["conflicting-labels"]["rows"] == ["40 (x) and 41 (y)"]
    assert found["single-row-label"]["message"].startswith("2 labels with one row only")
    assert found["single-row-label"]["rows"] == ["y", "z"]
    assert found["imbalance"]["message"].startswith("labels have 1 to 41 rows")


def test_findings_are_none_where_all_is_well() -> None:
    assert findings(labelled(("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"))) == []
    assert findings(labelled(*[(f"t{i}", "x") for i in range(39)], *[(f"u{i}", "y") for i in range(2)])) == []
    assert [
        f["code"] for f in findings(labelled(*[(f"t{i}", "x") for i in range(40)], *[(f"u{i}", "y") for i in range(2)]))
    ] == ["imbalance"]


def test_long_lists_are_shortened() -> None:
    labels = tuple(f"l{i:02}" for i in range(30))
    rows = Examples(labels, labels, labels, labels)
    (single,) = findings(rows)
    assert len(single["rows"]) == 8
    assert single["message"].startswith("30 labels")
