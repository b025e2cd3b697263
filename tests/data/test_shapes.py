"""The shape of rows: detected by evidence, a tie stops, one canonical record."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import UsageError
from tailorlm.data import Row, read
from tailorlm.data.shapes import SHAPES, TABLE, Shape, Unfit, detect

SHARED = Path(__file__).parents[3] / "shared" / "data"
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def rows_of(*values: dict[str, Any]) -> list[Row]:
    return [Row(v, "x.jsonl", i) for i, v in enumerate(values, 1)]


def detected(*values: dict[str, Any], **options: Any) -> Shape:
    rows = rows_of(*values)
    return detect(tuple(dict.fromkeys(k for v in values for k in v)), rows, **options)


def said(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


CONTEXT = "Graz lies on the Mur."
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("classify", {"text": "a", "label": "x"}, {"text": "a", "label": "x"}),
    ("classify", {"id": 7, "Review-Text": "a", "stars": 5}, {"text": "a", "label": "5"}),
    ("classify", {"sentence": "a", "intent": True}, {"text": "a", "label": "true"}),
    ("many_labels", {"text": "a", "labels": ["x", "y"]}, {"text": "a", "labels": ["x", "y"]}),
    ("many_labels", {"text": "a", "label": '["x", "y"]'}, {"text": "a", "labels": ["x", "y"]}),
    (
        "many_labels",
        {"comment_text": "a", "toxic": "0", "rude": "1", "spam": 1},
        {"text": "a", "labels": ["rude", "spam"]},
    ),
    ("pair", {"premise": "a", "hypothesis": "b", "label": 0}, {"first": "a", "second": "b", "label": "0"}),
    ("pair", {"sentence1": "a", "sentence2": "b", "score": 3.5}, {"first": "a", "second": "b", "label": "3.5"}),
    ("pair", {"query": "a", "passage": "b"}, {"first": "a", "second": "b"}),
    ("tags", {"tokens": ["a", "b"], "ner_tags": [0, 1]}, {"tokens": ["a", "b"], "tags": ["0", "1"]}),
    ("tags", {"words": '["a"]', "tags": '["O"]'}, {"tokens": ["a"], "tags": ["O"]}),
    (
        "spans",
        {"text": "ab c", "spans": [{"start": 0, "end": 2, "label": "X"}]},
        {"text": "ab c", "spans": [{"start": 0, "end": 2, "label": "X"}]},
    ),
    (
        "spans",
        {"text": "ab c", "label": [[3, 4, "Y"]]},
        {"text": "ab c", "spans": [{"start": 3, "end": 4, "label": "Y"}]},
    ),
    (
        "spans",
        {"text": "ab", "entities": [{"start_offset": 0, "end_offset": 1, "label": "Z", "id": 3}]},
        {"text": "ab", "spans": [{"start": 0, "end": 1, "label": "Z"}]},
    ),
    (
        "extract",
        {"question": "Where?", "context": CONTEXT, "answers": {"text": ["Mur"], "answer_start": [17]}, "id": "1"},
        {"question": "Where?", "context": CONTEXT, "answers": [{"text": "Mur", "start": 17}]},
    ),
    (
        "extract",
        {"question": "Where?", "context": CONTEXT, "answers": [{"text": "Mur", "answer_start": 17}]},
        {"question": "Where?", "context": CONTEXT, "answers": [{"text": "Mur", "start": 17}]},
    ),
    (
        "extract",
        {"question": "What?", "context": CONTEXT, "answer": "Graz"},
        {"question": "What?", "context": CONTEXT, "answers": [{"text": "Graz", "start": 0}]},
    ),
    ("completion", {"prompt": "Hi", "completion": "Hello"}, {"messages": TALK}),
    ("completion", {"question": "Hi", "answer": 4}, {"messages": said(("user", "Hi"), ("assistant", "4"))}),
    (
        "completion",
        {"question": "Why?", "context": CONTEXT, "answer": "Because of the river"},
        {"messages": said(("user", f"Why?\n\n{CONTEXT}"), ("assistant", "Because of the river"))},
    ),
    ("completion", {"prompt": TALK[:1], "completion": TALK[1:]}, {"messages": TALK}),
    ("completion", {"text": "long", "summary": "s"}, {"messages": said(("user", "long"), ("assistant", "s"))}),
    (
        "alpaca",
        {"instruction": "Add", "input": "1, 2", "output": "3"},
        {"messages": said(("user", "Add\n\n1, 2"), ("assistant", "3"))},
    ),
    ("alpaca", {"instruction": "Hi", "input": "", "output": "Hello"}, {"messages": TALK}),
    (
        "alpaca",
        {"instruction": "Hi", "context": " ", "response": "Hello", "system": "Be kind", "history": [["a", "b"]]},
        {"messages": [*said(("system", "Be kind"), ("user", "a"), ("assistant", "b")), *TALK]},
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "system": "Be kind"},
        {"messages": [*said(("system", "Be kind")), *TALK]},
    ),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "human", "value": "Hi"},
                {"from": "function_call", "value": '{"name": "clock", "arguments": {}}'},
                {"from": "observation", "value": "12:00"},
                {"from": "gpt", "value": "Noon"},
            ],
            "tools": '[{"name": "clock"}]',
        },
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"type": "function", "function": {"name": "clock", "arguments": {}}}],
                },
                {"role": "tool", "content": "12:00"},
                {"role": "assistant", "content": "Noon"},
            ],
            "tools": [{"name": "clock"}],
        },
    ),
    ("messages", {"messages": TALK}, {"messages": TALK}),
    ("messages", {"messages": json.dumps(TALK)}, {"messages": TALK}),
    (
        "messages",
        {
            "messages": [
                {"role": "developer", "content": "Be kind"},
                {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
                {"role": "tool", "content": "x", "tool_call_id": "c"},
            ],
            "tools": [{"type": "function"}],
        },
        {
            "messages": [
                {"role": "system", "content": "Be kind"},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]},
                {"role": "tool", "content": "x", "tool_call_id": "c"},
            ],
            "tools": [{"type": "function"}],
        },
    ),
    (
        "messages",
        {"turns": [{"speaker": "user", "text": "Hi"}, {"speaker": "system", "text": "Hello"}]},
        {"messages": TALK},
    ),
    (
        "preference",
        {"prompt": "Hi", "chosen": "Hello", "rejected": "No"},
        {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": said(("assistant", "No"))},
    ),
    (
        "preference",
        {"prompt": "Hi", "chosen": TALK, "rejected": [TALK[0], {"role": "assistant", "content": "No"}], "score": 1},
        {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": said(("assistant", "No"))},
    ),
    (
        "preference",
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: No"},
        {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": said(("assistant", "No"))},
    ),
    ("documents", {"text": "a", "title": "t", "source": "x.md"}, {"text": "a", "title": "t", "source": "x.md"}),
    ("documents", {"text": "a", "title": "", "pages": [0]}, {"text": "a"}),
]


@pytest.mark.parametrize(("name", "values", "record"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_detected_and_normalised(name: str, values: dict[str, Any], record: dict[str, Any]) -> None:
    before = json.dumps(values)
    shape = detected(values)
    assert shape.name == name
    assert shape.evidence
    assert shape.record(Row(values, "x", 1)) == record
    assert json.dumps(values) == before
    assert detected(*[values] * 60, shape=name).columns == shape.columns


def test_every_shape_is_in_the_cases_and_has_its_file() -> None:
    assert {name for name, _, _ in CASES} == set(TABLE) == set(SHAPES)
    assert len(TABLE) == 12


def test_the_evidence_is_for_people_and_tells_no_value() -> None:
    values = [{"text": f"private {i}", "label": f"secret{i % 3}", "day": "2024-01-02"} for i in range(30)]
    shape = detected(*values)
    assert str(shape) == "classify (text = text, label = label): 3 different labels on 30 rows; not used: day"
    for name, one, _ in CASES:
        told = str(detected(one))
        assert told.startswith(f"{name} (")
        assert "Graz lies" not in told


@pytest.mark.parametrize(
    ("values", "shapes"),
    [
        ({"text": "a b", "label": "x", "slots": [{"start": 0, "end": 1, "label": "s"}]}, ("classify", "spans")),
        ({"prompt": "p", "messages": TALK, "chosen": "a", "rejected": "b"}, ("messages", "preference")),
        ({"text": "a", "label": "x", "summary": "s"}, ("classify", "completion")),
        ({"text": "a", "label": "x", "labels": ["x"]}, ("classify", "many_labels")),
    ],
)
def test_a_tie_stops_and_names_the_flag(values: dict[str, Any], shapes: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        detected(values)
    told = str(caught.value)
    assert all(f"  {shape} (" in told for shape in shapes)
    assert f"--shape {shapes[0]}" in told
    for shape in shapes:
        assert detected(values, shape=shape).name == shape


def test_columns_that_could_play_one_role_stop_too() -> None:
    values = {"text": "a", "intent": "x", "topic": "y"}
    with pytest.raises(UsageError, match="several columns could be the label of the shape classify: intent, topic"):
        detected(values)
    with pytest.raises(UsageError, match="--shape classify --column label=intent"):
        detected(values)
    assert detected(values, chosen={"label": "topic"}).columns == {"text": "text", "label": "topic"}
    assert detected({**values, "label": "z"}).columns["label"] == "label"
    pairs = {"prompt": "p", "response": "r", "answer": "a"}
    with pytest.raises(UsageError, match="completion: response, answer"):
        detected(pairs)
    assert detected(pairs, shape="completion", chosen={"completion": "answer"}).columns["completion"] == "answer"


def test_nothing_fits_or_the_user_is_wrong() -> None:
    with pytest.raises(UsageError, match="is not known"):
        detected({"a": "x", "b": [1]})
    assert detected({"a": "x", "b": 1}, shape="classify", chosen={"text": "a", "label": "b"}).columns == {
        "text": "a",
        "label": "b",
    }
    with pytest.raises(UsageError, match="--column label=NAME"):
        detected({"text": "x", "b": [1]}, shape="classify")
    with pytest.raises(UsageError, match="did you mean 'classify'"):
        detected({"text": "x"}, shape="clasify")
    with pytest.raises(UsageError, match="no column called 'txt'"):
        detected({"text": "x"}, chosen={"text": "txt"})
    with pytest.raises(UsageError, match="have no column for 'lable'"):
        detected({"text": "x"}, shape="classify", chosen={"lable": "text"})
    with pytest.raises(UsageError, match="is not known"):
        detect([], [])


def test_a_label_that_never_recurs_is_none() -> None:
    free = [{"text": f"text {i}", "label": f"another sentence {i}"} for i in range(40)]
    assert detected(*free).name == "documents"
    few = [{"utterance_": f"how do I pay for number {i}", "group_": "ab"[i % 2]} for i in range(40)]
    shape = detected(*few)
    assert shape.name == "classify"
    assert shape.columns == {"text": "utterance_", "label": "group_"}
    with pytest.raises(UsageError, match="is not known"):
        detected(*[{"a": f"text number {i} is long", "b": f"and {i} so is this"} for i in range(40)])


def test_separated_labels() -> None:
    values = [{"text": "t", "labels": text} for text in ("a;b", "b", "a", "b;c", "a;c", "c")]
    shape = detected(*values)
    assert shape.name == "many_labels"
    assert "';' between" in shape.evidence[0]
    assert [shape.record(Row(v, "x", 1))["labels"] for v in values[:2]] == [["a", "b"], ["b"]]
    names = [{"text": "t", "labels": text} for text in ("Doe, Jane", "Roe, Jim", "Poe, Joe")]
    assert detected(*names).name == "classify"


def test_one_broken_row_in_a_hundred_hides_nothing() -> None:
    values: list[dict[str, Any]] = [{"tokens": ["a", "b"], "tags": ["O", "O"]} for _ in range(99)]
    values.append({"tokens": ["a"], "tags": ["O", "O"]})
    shape = detected(*values)
    assert shape.name == "tags"
    assert shape.evidence == ("as many tags as tokens in 99% of the rows",)
    with pytest.raises(Unfit, match=r"^x\.jsonl:100: 1 tokens, but 2 tags"):
        shape.record(rows_of(*values)[-1])


@pytest.mark.parametrize(
    ("name", "columns", "values", "why"),
    [
        ("classify", {"text": "t", "label": "l"}, {"t": "x", "l": None}, "'l' holds no text"),
        ("classify", {"text": "t", "label": "l"}, {"t": ["x"], "l": "a"}, "'t' holds no text"),
        ("many_labels", {"text": "t", "labels": "l"}, {"t": "x", "l": None}, "holds no labels"),
        ("many_labels", {"text": "t", "labels": ("a", "b")}, {"t": "x", "a": 1, "b": "?"}, "'b' holds neither 0 nor 1"),
        ("spans", {"text": "t", "spans": "s"}, {"t": "x", "s": [[0, 2, "A"]]}, "0 to 2) is not inside"),
        ("spans", {"text": "t", "spans": "s"}, {"t": "x", "s": [{"start": 0}]}, "stretch 1 has no start, end"),
        ("spans", {"text": "t", "spans": "s"}, {"t": "x", "s": None}, "no list"),
        (
            "extract",
            {"question": "q", "context": "c", "answers": "a"},
            {"q": "q", "c": "secret", "a": [{"text": "s", "answer_start": 3}]},
            "answer 1 does not stand at 3 of its context",
        ),
        ("extract", {"question": "q", "context": "c", "answers": "a"}, {"q": "q", "c": "c", "a": "z"}, "stand in its"),
        ("messages", {"messages": "m"}, {"m": []}, "no list of messages"),
        ("messages", {"messages": "m"}, {"m": [{"role": "wizard", "content": "x"}]}, "message 1 has a role"),
        (
            "messages",
            {"messages": "m"},
            {"m": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "no text (a pict",
        ),
        ("messages", {"messages": "m"}, {"m": [{"role": "user", "content": None}]}, "message 1 has no text"),
        ("messages", {"messages": "m", "tools": "t"}, {"m": TALK, "t": "x"}, "the tools are no list"),
        ("sharegpt", {"conversations": "c"}, {"c": [{"from": "human"}]}, "turn 1 has no text"),
        ("sharegpt", {"conversations": "c"}, {"c": [{"from": "function_call", "value": "no"}]}, "a call of a tool"),
        ("alpaca", {"instruction": "i", "output": "o", "history": "h"}, {"i": "x", "o": "y", "h": [["a"]]}, "history"),
        ("preference", {"chosen": "a", "rejected": "b"}, {"a": "x", "b": "x"}, "the same"),
        ("documents", {"text": "t"}, {"t": None}, "'t' holds no text"),
    ],
)
def test_rows_that_do_not_fit(name: str, columns: dict[str, Any], values: dict[str, Any], why: str) -> None:
    with pytest.raises(Unfit) as caught:
        Shape(name, columns, ()).record(Row(values, "x.jsonl", 7))
    assert str(caught.value).startswith("x.jsonl:7: ")
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "text"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = sorted({c for _, v, _ in CASES for c in v})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), min_size=1, max_size=4))
def test_any_rows_give_a_shape_or_an_error_of_ours(values: list[dict[str, Any]]) -> None:
    try:
        shape = detected(*values)
    except UsageError:
        return
    for row in rows_of(*values):
        with contextlib.suppress(Unfit):
            json.dumps(shape.record(row))


@pytest.mark.shared
def test_real_sets() -> None:
    expected = {
        "banking77": "classify",
        "goemotions": "many_labels",
        "wnut17": "tags",
        "squad_dev": "extract",
        "gsm8k": "completion",
        "dolly_open_qa": "alpaca",
        "sgd": "messages",
        "corpus_legal": "documents",
    }
    for folder, name in expected.items():
        path = sorted((SHARED / folder).glob("*.jsonl*"))[0]
        rows = read(path)[:300]
        shape = detect(rows.columns, rows)
        assert shape.name == name, folder
        assert all(shape.record(row) for row in rows)
