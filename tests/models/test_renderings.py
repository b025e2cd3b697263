"""Rows by the hundred: counted, cut, and those with nothing to learn named."""

from __future__ import annotations

import pytest

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.models.chat import Chat, conversation
from tailorlm.models.renderings import render_all
from tailorlm.models.tokens import tokens_from
from templates import STYLES, make_tokenizer


@pytest.fixture(scope="module")
def chat() -> Chat:
    return Chat(tokens_from(make_tokenizer(STYLES["chatml"])))


def record(*texts: str) -> dict[str, object]:
    return {"messages": [m for i in range(0, len(texts), 2) for m in conversation(texts[i], texts[i + 1])]}


def test_counts_and_names(chat: Chat) -> None:
    records = [
        ("a:1", record("one?", "four")),
        ("a:2", record("secret", " ")),
        ("a:3", record("cat " * 60, "dog")),
        ("a:4", record("one?", "four", "two?", "five " * 20)),
        ("a:5", record("one?", "日" * 60)),
        ("a:6", {"messages": conversation("only asked")}),
    ]
    found = render_all(chat, records, max_length=50)
    assert found.names == ["a:1", "a:3", "a:4", "a:5"]
    assert found.empty == {"a:2": "the answer is empty", "a:6": "the row has no answer of the assistant"}
    assert all(len(row.ids) <= 50 for row in found.rows)
    counts = found.counts()
    assert counts["rows"] == 4
    assert counts["nothing_to_learn"] == 2
    assert counts["tokens"] == sum(len(row.ids) for row in found.rows)
    assert counts["learned"] == sum(sum(row.learned) for row in found.rows)
    assert (counts["prompts_cut"], counts["turns_cut"], counts["answers_cut"]) == (3, 2, 1)
    with pytest.raises(CheckError, match="2 of 6 rows have nothing to learn") as caught:
        found.check()
    assert "a:2: the answer is empty" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert found.check(2) is found
    assert found.check(None) is found


def test_nothing_at_all(chat: Chat) -> None:
    for records in ([], [("a:1", record("one?", ""))]):
        with pytest.raises(CheckError, match="no row has anything to learn"):
            render_all(chat, records).check(None)


def test_what_a_template_refuses_is_named() -> None:
    chat = Chat(tokens_from(make_tokenizer(STYLES["mistral"])))
    twice = {"messages": [{"role": "user", "content": "secret"}, *conversation("b", "c")]}
    with pytest.raises(TailorError, match=r"b\.jsonl:7: the chat template refuses") as caught:
        render_all(chat, [("b.jsonl:7", twice)])
    assert "secret" not in str(caught.value)
