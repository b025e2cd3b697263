"""How surprising text is to a model: perplexity per token, bits per byte, by windows that overlap.

Per token is comparable only between models that cut text alike; per byte between all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tailorlm.core.errors import UsageError
from tailorlm.models.decoder import Writer
from tailorlm.models.score import continuation_logprobs

LEAST_WINDOW = 8


@dataclass(frozen=True, slots=True)
class Surprise:
    """What a text cost. nats: the sum of -ln p over its tokens. tokens, bytes: that were scored (UTF-8)."""

    nats: float
    tokens: int
    bytes: int

    @property
    def per_token(self) -> float:
        """Perplexity per token: e to the mean surprise. NaN where nothing was scored."""
        return math.exp(self.nats / self.tokens) if self.tokens else math.nan

    @property
    def per_byte(self) -> float:
        """Perplexity per byte. NaN where nothing was scored."""
        return math.exp(self.nats / self.bytes) if self.bytes else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Mean surprise of a byte in bits. NaN where nothing was scored."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan

    def __add__(self, other: Surprise) -> Surprise:
        """Both texts together."""
        return Surprise(self.nats + other.nats, self.tokens + other.tokens, self.bytes + other.bytes)


def surprise(
    writer: Writer, texts: Sequence[str], *, window: int | None = None, stride: int | None = None
) -> list[Surprise]:
    """What each text costs, in order; `sum(found, Surprise(0, 0, 0))` is the whole.

    Every token is scored once. window: tokens that are read at once (the model's positions unless told). stride: how many new tokens a
    window scores (half of it unless told): the smaller, the more each token has before it, and the longer it takes. The first token
    follows what the tokenizer begins texts with, else its end-of-text token; where it has neither, the first token is not scored, nor
    its bytes.
    """
    window = min(window or writer.max_length, writer.max_length)
    if window < LEAST_WINDOW:
        raise UsageError("the window is too short", got=f"{window} tokens", allowed=f"{LEAST_WINDOW} or more")
    stride = stride or window // 2
    if not 1 <= stride < window:
        raise UsageError("the stride does not fit the window", got=f"{stride}", allowed=f"1 to {window - 1}")
    tokens = writer.chat.tokens
    begin = tokens.before_text
    before: list[list[int]] = []
    scored: list[list[int]] = []
    owner: list[int] = []
    counts = [0] * len(texts)
    sizes = [len(text.encode("utf-8", "replace")) for text in texts]
    for i, ids in enumerate(tokens.encode_many(texts)):
        row = [*begin, *ids]
        at = max(1, len(begin))
        if not begin and ids:
            sizes[i] -= len(tokens.decode(ids[:1]).encode("utf-8", "replace"))
        while at < len(row):
            new = row[at : at + (window - at if at < window - stride else stride)]
            before.append(row[max(0, at + len(new) - window) : at])
            scored.append(new)
            owner.append(i)
            counts[i] += len(new)
            at += len(new)
    nats = [0.0] * len(texts)
    for i, values in zip(owner, continuation_logprobs(writer, before, scored), strict=True):
        nats[i] -= float(values.sum())
    return [Surprise(n, count, size if count else 0) for n, count, size in zip(nats, counts, sizes, strict=True)]
