"""Texts change and what points into them follows."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorlm.data.rows import WrittenFloat
from tailorlm.data.steps.fields import Fields, realign


def spaces(text: str) -> str:
    return " ".join(text.split())


def test_spans_follow_their_text():
    fields = Fields("spans", ("text",), spans="spans")
    values = {"text": "  Ann   met  Bob.", "spans": [{"start": 2, "end": 5, "label": "P"}, [13, 16, "P"]], "id": "7"}
    new = fields.change(values, spaces)
    assert new["text"] == "Ann met Bob."
    assert [new["text"][0:3], new["text"][8:11]] == ["Ann", "Bob"]
    assert new["spans"] == [{"start": 0, "end": 3, "label": "P"}, [8, 11, "P"]]
    assert values["spans"][0]["start"] == 2


@pytest.mark.parametrize(
    "answers",
    [{"text": ["the  sea"], "answer_start": [8]}, [{"text": "the  sea", "start": 8, "end": 16}]],
)
def test_answers_follow_their_context(answers):
    fields = Fields("extract", ("question", "context"), answers="answers", answers_in="context")
    values = {"question": "Where?", "context": "By  far the  sea is wide", "answers": answers}
    new = fields.change(values, spaces)
    assert new["context"] == "By far the sea is wide"
    first = new["answers"] if isinstance(new["answers"], list) else None
    assert (first[0]["text"], first[0]["start"], first[0]["end"]) == ("the sea", 7, 14) if first else True
    if first is None:
        assert new["answers"] == {"text": ["the sea"], "answer_start": [7]}


def test_chats_keep_their_roles_and_tokens_their_number():
    chat = Fields("messages", ("messages",))
    turns = [
        {"role": "  user", "content": " hi  there "},
        {"role": "tool", "content": [{"type": "text", "text": "a  b"}]},
    ]
    assert chat.change({"messages": turns}, spaces)["messages"] == [
        {"role": "  user", "content": "hi there"},
        {"role": "tool", "content": [{"type": "text", "text": "a b"}]},
    ]
    assert chat.text({"messages": turns}) == " hi  there \na  b"
    tags = Fields("tags", ("tokens",))
    assert tags.change({"tokens": ["a", " ", "b "], "tags": [0, 1, 0]}, str.strip)["tokens"] == ["a", " ", "b"]


def test_what_does_not_change_is_the_same_object():
    fields = Fields("classify", ("text",), "label")
    values = {"text": "ok", "label": " x "}
    assert fields.change(values, str.strip) is values
    assert fields.change_all(values, str.strip) == {"text": "ok", "label": "x"}


def test_long_numbers_are_looked_at_and_short_ones_left():
    fields = Fields()
    values = {
        "a": 4111111111111111,
        "b": 42,
        "c": True,
        "d": None,
        "e": WrittenFloat("1.50"),
        "f": {"g": ["4111111111111111"]},
    }
    new = fields.change_all(values, lambda text: text.replace("4111111111111111", "<CARD>"))
    assert new == values | {"a": "<CARD>", "f": {"g": ["<CARD>"]}}
    assert new["e"].literal == "1.50"


def test_labels_are_text():
    fields = Fields("classify", ("text",), "label")
    assert [fields.label_of({"label": value}) for value in ("a", 3, True, None, "", ["b", "a"], {})] == [
        "a", "3", "true", None, None, "a | b", None,
    ]  # fmt: skip


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_offsets_stay_in_order_and_inside(old, new, a, b):
    move = realign(old, new)
    start, end = sorted((min(a, len(old)), min(b, len(old))))
    assert 0 <= move(start, False) <= len(new)
    assert 0 <= move(end, True) <= len(new)
    if start < end:
        assert move(start, False) <= move(end, True)


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=30))
def test_offsets_behind_an_insertion_shift_by_it(front, more, back):
    move = realign(front + back, front + more + back)
    if not {*more} & {*front, *back}:  # else it is not clear where the insertion stands
        assert move(len(front), True) == len(front)
        assert move(len(front + back), True) == len(front + back) + (len(more) if back else 0)
        if back:
            assert move(len(front), False) == len(front + more)


def masked(text: str) -> str:
    return text.replace("ann@firm.org", "<EMAIL>").replace("bob@firm.org", "<EMAIL>")


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([{"text": "ann@firm.org today", "answer_start": 8}], [{"text": "<EMAIL> today", "answer_start": 8}]),
        (
            {"text": ["ann@firm.org today", "today"], "answer_start": [8, 21]},
            {"text": ["<EMAIL> today", "today"], "answer_start": [8, 16]},
        ),
        (
            [{"text": "today", "start": 21, "end": 26, "by": "ann@firm.org"}],
            [{"text": "today", "start": 16, "end": 21, "by": "<EMAIL>"}],
        ),
    ],
)
def test_an_answer_is_as_long_as_it_was_before_it_was_redacted(answers, wanted):
    fields = Fields("extract", ("question", "context"), answers="answers", answers_in="context")
    values = {"question": "Whom?", "context": "Mail to ann@firm.org today.", "answers": answers}
    new = fields.change_all(values, masked)
    assert new == {"question": "Whom?", "context": "Mail to <EMAIL> today.", "answers": wanted}


def test_keys_of_objects_are_values_too_and_stay_apart():
    values = {"text": "t", "seen": [{"ann@firm.org": 1, "bob@firm.org": {"bob@firm.org": "x"}, "n": 2}]}
    new = Fields().change_all(values, masked)
    assert new["seen"] == [{"<EMAIL>": 1, "<EMAIL> 2": {"<EMAIL>": "x"}, "n": 2}]
    assert Fields().change_all(new, masked) is new


@pytest.mark.parametrize("piece", [" ", "\n", "a ", "1-", "x"])
def test_long_texts_of_one_piece_are_realigned_in_good_time(piece):
    text = piece * 60_000
    start = time.process_time()
    move = realign(text, text[:20_000] + "Z" + text[20_010:70_000] + "QQ" + text[70_001:])
    assert move(10, False) == 10
    assert time.process_time() - start < 3
