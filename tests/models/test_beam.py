"""Beams against transformers' own, and against every answer there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from tailorlm.models.answers import Writing
from tailorlm.models.beam import search
from tailorlm.models.decoder import Writer
from tailorlm.models.generate import Written, write
from tailorlm.models.local import Local
from tailorlm.models.pick import Dice
from tailorlm.models.score import continuation_logprobs

Made = Callable[..., Writer]
PROMPTS = [[20, 30, 40], [21, 31], [22, 32, 42, 52, 62, 72], [23] * 30, [24, 34]]


def searched(writer: Writer, prompts: list[list[int]], writing: Writing) -> list[Written]:
    rows = [Written(i, prompt, Dice(0, prompt, 0)) for i, prompt in enumerate(prompts)]
    search(writer, rows, writing)
    return rows


@pytest.mark.parametrize("beams", [2, 4])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral"])
def test_equal_to_transformers(kind: str, beams: int, writers: Made) -> None:
    writer = writers(kind)
    shared = [list(range(100, 130)) + prompt for prompt in PROMPTS]
    for prompts in (PROMPTS, shared):
        found = searched(writer, prompts, Writing(max_new_tokens=8, beams=beams))
        for row, prompt in zip(found, prompts, strict=True):
            theirs = writer.body.generate(
                input_ids=torch.tensor([prompt]), max_new_tokens=8, num_beams=beams, do_sample=False, pad_token_id=0,
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long), eos_token_id=sorted(writer.chat.stop_ids),
            )[0, len(prompt) :].tolist()  # fmt: skip
            assert row.ids == theirs[: len(row.ids)]
            assert len(row.ids) == len(theirs)
            total = continuation_logprobs(writer, [prompt], [row.ids])[0].sum()
            assert row.logprob == pytest.approx(total, abs=1e-3)
        alone = [searched(writer, [prompt], Writing(max_new_tokens=8, beams=beams))[0].ids for prompt in prompts]
        assert [row.ids for row in found] == alone


def test_among_all_answers_of_a_few_tokens(writers: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many beams as there are beginnings nothing is missed: six words, answers of up to three, one of them the end."""
    writer = writers("llama")
    words, stop = [20, 21, 22, 23, 24, 25], 25
    monkeypatch.setitem(vars(writer.chat), "stop_ids", frozenset({stop}))
    whole = writer.read

    def among_words(*given: object, **named: object) -> torch.Tensor:
        logits = whole(*given, **named)
        mask = torch.full_like(logits, float("-inf"))
        mask[:, words] = 0
        return logits + mask

    monkeypatch.setattr(writer, "read", among_words, raising=False)
    for penalty in (0.0, 1.0, 2.0):
        row = searched(writer, [[30, 40]], Writing(max_new_tokens=3, beams=36, length_penalty=penalty))[0]
        every = [
            list(ids) for n in (1, 2, 3) for ids in itertools.product(words, repeat=n)
            if stop not in ids[:-1] and (ids[-1] == stop or n == 3)
        ]  # fmt: skip
        sums = [values.sum() for values in continuation_logprobs(writer, [[30, 40]] * len(every), every)]
        best = max(zip(sums, every, strict=True), key=lambda item: item[0] / len(item[1]) ** penalty)
        assert row.ids == best[1]
        assert row.logprob == pytest.approx(best[0], abs=1e-3)


def test_more_beams_are_not_less_likely(writers: Made) -> None:
    writer = writers("llama")
    greedy = write(writer, PROMPTS, Writing(max_new_tokens=6))
    found = searched(writer, PROMPTS, Writing(max_new_tokens=6, beams=8, length_penalty=0.0))
    assert sum(b.logprob >= g.logprob - 1e-4 for b, g in zip(found, greedy, strict=True)) >= 4
    answers = Local(writer).answers(["a", "b"], Writing(max_new_tokens=6, beams=3))
    assert all(answer.tokens_out <= 6 and answer.logprob is not None for answer in answers)
