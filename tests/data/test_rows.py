"""The sequence of rows, the text of JSON values, fingerprints."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import Row, Rows, as_text, read

Put = Callable[[str, str | bytes], str]


def made(*values: dict[str, Any]) -> Rows:
    rows = tuple(Row(v, "x", i) for i, v in enumerate(values, 1))
    return Rows(rows, tuple(dict.fromkeys(k for v in values for k in v)))


def test_sequence() -> None:
    rows = made({"a": "1"}, {"a": "2", "b": "x"}, {"a": "3"})
    assert len(rows) == 3
    assert rows[1].where == "x:2"
    assert rows[-1].values == {"a": "3"}
    assert isinstance(rows[:2], Rows)
    assert rows[:2].column("a") == ["1", "2"]
    assert rows.select([2, 0, 0]).column("a") == ["3", "1", "1"]
    assert rows.select([]).columns == ("a", "b")
    assert rows.column("b") == [None, "x", None]
    assert [row.line for row in rows] == [1, 2, 3]
    assert repr(rows) == "Rows(3 rows, columns=['a', 'b'], bad=0)"
    with pytest.raises(UsageError, match="there is no column called 'A1'"):
        rows.column("A1")
    with pytest.raises(AttributeError):
        rows.columns = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    "literal",
    [
        "0",
        "-0",
        "7",
        "12345678901234567890123",
        "1.0",
        "1.50",
        "1e5",
        "1E5",
        "0.1",
        "1e-400",
        "-2.5",
        "123456789.123456789",
    ],
)
def test_numbers_keep_their_text(put: Put, literal: str) -> None:
    value = read(put("x.jsonl", f'{{"a": {literal}}}\n')).column("a")[0]
    assert as_text(value) == literal
    assert value == json.loads(literal)
    assert as_text(copy.deepcopy(value)) == as_text(pickle.loads(pickle.dumps(value))) == literal


def test_text_of_other_scalars() -> None:
    assert as_text(np.float64(1.5)) == "1.5"
    assert [as_text(v) for v in (True, False, "", " x ", 1.0, -3)] == ["true", "false", "", " x ", "1.0", "-3"]


@pytest.mark.parametrize("value", [None, [], {"a": 1}, float("nan"), float("inf"), b"x"])
def test_no_text(value: object) -> None:
    with pytest.raises(TailorError, match="has no text of its own"):
        as_text(value)


def test_fingerprint_is_the_same_in_every_format(put: Put) -> None:
    prints = {
        read(put("x.csv", "text,label\n007,é\n")).fingerprint(),
        read(put("x.tsv", "label\ttext\r\né\t007\r\n".encode("utf-16"))).fingerprint(),
        read(put("x.jsonl", '\n{"text": "007", "label": "\\u00e9"}')).fingerprint(),
        read(put("y.json", '[{"label": "é", "text": "007"}]')).fingerprint(),
    }
    assert len(prints) == 1


def test_fingerprint_by_hand() -> None:
    import hashlib

    rows = made({"b": "é", "a": [1, 1.5, None, True, {"x": "y"}]}, {"a": "1"})
    text = '{"a":[1,1.5,null,true,{"x":"y"}],"b":"\\u00e9"}\n{"a":"1"}\n'
    assert rows.fingerprint() == hashlib.sha256(text.encode()).hexdigest()
    assert made().fingerprint() == hashlib.sha256(b"").hexdigest()


def test_fingerprint_tells_differences(put: Put) -> None:
    different = [
        made({"a": "1"}),
        made({"a": 1}),
        made({"a": 1.0}),
        made({"a": True}),
        made({"a": None}),
        made({}),
        made({"b": "1"}),
        made({"a": "1"}, {"a": "1"}),
        made({"a": "1"}, {"a": "2"}),
        made({"a": "2"}, {"a": "1"}),
        read(put("x.jsonl", '{"a": 1e0}\n')),
    ]
    assert len({rows.fingerprint() for rows in different}) == len(different)


@given(st.lists(st.dictionaries(st.text(max_size=4), st.text() | st.integers() | st.floats(), max_size=3), max_size=4))
def test_fingerprint_ignores_key_order_and_place(values: list[dict[str, Any]]) -> None:
    turned = [dict(reversed(v.items())) for v in values]
    elsewhere = tuple(Row(v, "y", 99) for v in turned)
    assert made(*values).fingerprint() == Rows(elsewhere, ()).fingerprint()
