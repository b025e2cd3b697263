"""A model behind an endpoint, where a model of this machine could stand as the base of a recipe."""

from __future__ import annotations

import os
from pathlib import Path

from tailorlm.models.endpoint import endpoint_called
from tailorlm.models.remote import Remote
from tailorlm.models.resolve import HOSTED, BaseModel

# What a token is, roughly, where nobody here has the tokenizer: four letters, and each sign of scripts without spaces.
LETTERS = 4


class Hosted:
    """A hosted model as a base: it writes answers, and nothing of it can learn or be scored.

    base: `remote:NAME`, resolved. max_length: tokens of prompt and answer, roughly, which passages and examples are fitted to. Answers are
    kept by content (`kept_in`), so that no question is paid for twice.
    """

    def __init__(self, base: BaseModel, max_length: int):
        self.base, self.max_length = base, max_length
        self.remote = Remote(endpoint_called(base.name.removeprefix(HOSTED)), kept_in=kept_in())

    def count(self, text: str) -> int:
        """Tokens of a text, roughly."""
        wide = sum(ord(char) > 0x2E7F for char in text)
        return wide + -(-(len(text) - wide) // LETTERS)

    def price(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost, by the endpoint's prices."""
        endpoint = self.remote.endpoint
        return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6


def kept_in() -> Path:
    """Where answers of endpoints are kept on this machine: $XDG_CACHE_HOME/tailorlm/answers, below ~/.cache without it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailorlm" / "answers"
