"""Texts in, texts out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.answers import Writing
from tailorlm.models.decoder import Writer
from tailorlm.models.local import Local
from writers import POSITIONS

Made = Callable[..., Writer]
SYSTEM = [{"role": "system", "content": "You answer in short."}]
PROMPTS: list[Any] = ["the cat sat on the mat", [*SYSTEM, {"role": "user", "content": "what is two?"}], "🙂 日本", ""]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "gemma", "gpt2", "gptj"])
def test_answers(kind: str, writers: Made) -> None:
    writer = writers(kind)
    local = Local(writer)
    answers = local.answers(PROMPTS, Writing(max_new_tokens=12))
    assert len(answers) == 4
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        assert answer.tokens_in == len(writer.chat.prompt(messages).ids)
        assert 1 <= answer.tokens_out <= 12
        assert answer.finished or answer.tokens_out == 12
        assert answer.logprob is not None
        assert answer.logprob < 0
        assert answer.fault is None
    assert [local.answers([p], Writing(max_new_tokens=12))[0].text for p in PROMPTS] == [a.text for a in answers]


def test_stop_texts_end_an_answer_and_are_no_part_of_it(writers: Made) -> None:
    local = Local(writers("llama"))
    whole = local.answers(["what is two?"], Writing(max_new_tokens=30))[0].text
    assert len(whole) > 12
    stop = whole[8:11]
    answer = local.answers(["what is two?"], Writing(max_new_tokens=30, stop=("never there", stop)))[0]
    assert answer.text == whole[: whole.index(stop)]
    assert answer.finished


@pytest.mark.parametrize("kind", ["llama", "mistral", "gptj"])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_choices(kind: str, temperature: float, writers: Made) -> None:
    choices = ["money", "money back", "time", "日本", "four five six"]
    writing = Writing(max_new_tokens=40, temperature=temperature)
    answers = Local(writers(kind)).answers([f"question {i}" for i in range(20)], writing, choices=choices)
    assert all(answer.text in choices and answer.finished for answer in answers)
    assert len({answer.text for answer in answers}) > 1 or not temperature


@pytest.mark.parametrize("kind", ["llama", "mistral", "gptj"])
def test_scores_are_those_of_what_training_would_learn(kind: str, writers: Made) -> None:
    writer = writers(kind)
    candidates = ["money", "money back", "time", "\n two", "日本"]
    found = Local(writer).score(PROMPTS[:3], candidates)
    for i, prompt in enumerate(PROMPTS[:3]):
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        for j, text in enumerate(candidates):
            if kind == "llama" and text != text.strip():
                continue  # its template trims
            rendered = writer.chat.render([*messages, {"role": "assistant", "content": text}])
            with torch.inference_mode():
                scores = torch.log_softmax(writer.body(torch.tensor([rendered.ids])).logits[0].double(), -1)
            learned = [k for k, is_learned in enumerate(rendered.learned) if is_learned]
            truth = sum(float(scores[k - 1, rendered.ids[k]]) for k in learned)
            assert found[i, j] == pytest.approx(truth, abs=1e-4)
            one = Local(writer).score([prompt], [text], mean=True)[0, 0]
            assert one == pytest.approx(truth / len(learned), abs=1e-4)
    open_ended = Local(writer).score(PROMPTS[:3], candidates, ends=False)
    assert (open_ended[:, 0] >= open_ended[:, 1]).all(), "without its end a beginning is always likelier"
    assert (found < open_ended).all()
    assert np.isfinite(found).all()


def test_prompts_make_room_for_answers(writers: Made) -> None:
    local = Local(writers("llama"))
    answer = local.answers(["cat " * 500], Writing(max_new_tokens=20))[0]
    assert answer.tokens_in <= POSITIONS - 20
    assert answer.cut > 0
    with pytest.raises(TailorError, match="longer than the model's context"):
        local.answers(["a"], Writing(max_new_tokens=POSITIONS))


def test_what_is_heard_is_what_is_said(writers: Made) -> None:
    heard: dict[int, list[str]] = {}
    answers = Local(writers("llama")).answers(
        PROMPTS[:2], Writing(max_new_tokens=10), listen=lambda i, text: heard.setdefault(i, []).append(text)
    )
    assert {i: texts[-1] for i, texts in heard.items()} == {i: a.text for i, a in enumerate(answers)}
    assert len(heard[0]) == answers[0].tokens_out


def test_contradictions(writers: Made) -> None:
    local = Local(writers("llama"))
    for settings, more in (
        ({"beams": 2, "temperature": 1.0}, {}),
        ({"beams": 2}, {"choices": ["a", "b"]}),
        ({}, {"choices": ["a"], "schema": {}}),
        ({}, {"choices": ["a", "a"]}),
        ({}, {"choices": ["a", ""]}),
    ):
        with pytest.raises(UsageError):
            local.answers(["a"], Writing(**settings), **more)
    with pytest.raises(UsageError, match="no message"):
        local.answers([[]])
    assert local.answers([]) == []


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "kind": {"enum": ["cat", "dog"]},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("kind", ["llama", "mistral", "gptj"])
def test_json_of_a_schema(kind: str, writers: Made) -> None:
    pytest.importorskip("llguidance")
    local = Local(writers(kind))
    for writing in (Writing(max_new_tokens=120), Writing(max_new_tokens=120, temperature=1.0)):
        answers = local.answers([f"question {i}" for i in range(6)], writing, schema=SCHEMA)
        done = [answer for answer in answers if answer.fault is None]
        assert len(done) >= 2
        for answer in done:
            value = json.loads(answer.text)
            assert list(value) == ["name", "age", "kind"]
            assert len(value["name"]) <= 8
            assert 0 <= value["age"] <= 150
            assert value["kind"] in ("cat", "dog")
            assert answer.finished
    short = local.answers(["a"], Writing(max_new_tokens=3), schema=SCHEMA)[0]
    assert (short.text, short.finished, short.fault) == ("", False, "JSON that was not finished")
    with pytest.raises(UsageError, match="schema cannot be followed"):
        local.answers(["a"], Writing(max_new_tokens=9), schema={"type": "nothing-like-it"})


def test_without_the_extra_it_is_said(writers: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(TailorError, match="need llguidance") as caught:
        Local(writers("llama")).answers(["a"], Writing(max_new_tokens=9), schema=SCHEMA)
    assert "tailorlm[grammar]" in str(caught.value)
