"""Perplexity against an independent formula: every token behind all that its window holds, one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from tailorlm.core.errors import UsageError
from tailorlm.models.decoder import Writer
from tailorlm.models.perplexity import Surprise, surprise

Made = Callable[..., Writer]
TEXTS = ["the cat sat on the mat and the dog lay by the door " * 4, "two\n\nlines", "日本語 🙂", "", "a"]


@torch.inference_mode()
def by_hand(writer: Writer, text: str, window: int, stride: int) -> tuple[float, int]:
    """Tokens in blocks: the first fills a window, each later one has `stride` new tokens behind `window - stride` old ones."""
    tokens = writer.chat.tokens
    row = [*(tokens.begins or [tokens.one(tokens.named["eos_token"])]), *tokens.encode(text)]
    nats = 0.0
    for place in range(1, len(row)):
        if place < window:
            start = 0
        else:
            block_end = window + ((place - window) // stride + 1) * stride
            start = min(block_end, len(row)) - window
        scores = torch.log_softmax(writer.body(torch.tensor([row[start:place]])).logits[0, -1].double(), 0)
        nats -= float(scores[row[place]])
    return nats, len(row) - 1


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2"])
@pytest.mark.parametrize(("window", "stride"), [(256, 128), (20, 5), (16, 8), (16, 15)])
def test_against_one_by_one(kind: str, window: int, stride: int, writers: Made) -> None:
    writer = writers(kind)
    for text, found in zip(TEXTS, surprise(writer, TEXTS, window=window, stride=stride), strict=True):
        nats, count = by_hand(writer, text, window, stride)
        assert found.nats == pytest.approx(nats, abs=1e-3)
        assert found.tokens == count
        assert found.bytes == len(text.encode())
        if count:
            assert found.per_token == pytest.approx(math.exp(nats / count), rel=1e-3)
            assert found.bits_per_byte == pytest.approx(nats / math.log(2) / len(text.encode()), rel=1e-3)
            assert found.per_byte == pytest.approx(2**found.bits_per_byte)


def test_nothing_and_sums(writers: Made) -> None:
    writer = writers("llama")
    assert surprise(writer, []) == []
    empty = surprise(writer, [""])[0]
    assert (empty.tokens, empty.bytes) == (0, 0)
    assert math.isnan(empty.per_token)
    assert math.isnan(empty.bits_per_byte)
    both = sum(surprise(writer, TEXTS), Surprise(0, 0, 0))
    assert both.tokens == sum(found.tokens for found in surprise(writer, TEXTS))


def test_without_a_beginning_the_first_token_is_not_scored(writers: Made) -> None:
    writer = writers("llama")
    tokens = writer.chat.tokens
    named, begins = dict(tokens.named), list(tokens.begins)
    try:
        tokens.named.clear()
        tokens.begins.clear()
        found = surprise(writer, ["the cat sat"])[0]
        ids = tokens.encode("the cat sat")
        assert found.tokens == len(ids) - 1
        assert found.bytes == len(b"the cat sat") - len(tokens.decode(ids[:1]).encode())
    finally:
        tokens.named.update(named)
        tokens.begins.extend(begins)


def test_settings_that_do_not_fit(writers: Made) -> None:
    with pytest.raises(UsageError, match="window"):
        surprise(writers("llama"), ["a"], window=4)
    with pytest.raises(UsageError, match="stride"):
        surprise(writers("llama"), ["a"], window=16, stride=16)
