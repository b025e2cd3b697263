"""What the context puts together is what a model is asked, what it learns from, and what a search for the best prompt tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tailorlm.context.prompt import Message, Prompter, TaskWords, candidates, optimise
from tailorlm.context.prompted import Prompted
from tailorlm.context.store import Example, Query
from tailorlm.core.config import validate
from tailorlm.models.answers import Writing
from tailorlm.models.decoder import Writer
from tailorlm.models.local import Local

ROWS = [
    Example(f"r{i}", text, answer)
    for i, (text, answer) in enumerate([("two and two", "four"), ("one and two", "three")])
]
QUERIES = [Query("two and one"), Query(ROWS[0].text, ROWS[0].id)]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma"])
def test_asked_and_learned_alike(kind: str, writers: Callable[..., Writer]) -> None:
    writer = writers(kind)
    given = {"instruction": "Add.", "encoder": None, "examples": {"part": "nearest", "k": 1}}
    made = Prompter(validate(given, Prompted.Settings), TaskWords("generate"), ROWS).prompts(
        QUERIES, count=lambda text: len(writer.chat.tokens.encode(text))
    )
    answers = Local(writer).answers([prompt.messages for prompt in made], Writing(max_new_tokens=4))
    assert len(answers) == 2
    for prompt, answer in zip(made, answers, strict=True):
        asked = writer.chat.prompt(prompt.messages)
        assert answer.tokens_in == len(asked.ids)
        assert prompt.tokens > 0
        learned = writer.chat.render([*prompt.messages, {"role": "assistant", "content": "three"}], learn="last")
        assert learned.ids[: len(asked.ids)] == asked.ids
        assert not any(learned.learned[: len(asked.ids)])
        text = "".join(part for part, is_learned in writer.chat.shown(learned) if is_learned)
        assert text.startswith("three")


def test_the_best_prompt_of_a_real_model(writers: Callable[..., Writer]) -> None:
    local = Local(writers("llama"))
    tried = candidates(["Add.", "Add the two numbers."], {}, None, QUERIES)

    def ask(prompts: Sequence[list[Message]]) -> list[str | None]:
        found = local.answers(prompts, Writing(max_new_tokens=3))
        return [None if answer.fault else answer.text for answer in found]

    def score(answers: Sequence[str], rows: Sequence[int]) -> float:
        return -sum(map(len, answers)) / len(rows)

    found = optimise(tried, len(QUERIES), ask, score, budget=4)
    assert found.calls == 4
    assert found == optimise(tried, len(QUERIES), ask, score, budget=4)
