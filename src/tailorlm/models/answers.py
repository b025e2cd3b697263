"""What writes answers, here or behind an endpoint: one protocol, one settings class, one record an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import UsageError
from tailorlm.models.template import Message

Prompt = str | Sequence[Message]
"""What is asked: a text (said by the user), or a conversation."""


class Writing(Settings):
    """How answers are written."""

    max_new_tokens: int = setting(
        256, ge=1, le=131_072, help="longest answer; what is longer is not finished", unit="tokens"
    )
    temperature: float = setting(
        0.0, ge=0.0, le=10.0, help="0: always the likeliest token; 1: tokens as likely as the model says"
    )
    top_p: float = setting(1.0, gt=0.0, le=1.0, help="draw among the likeliest tokens that have this share together")
    top_k: int = setting(0, ge=0, help="draw among so many of the likeliest tokens; 0: among all")
    seed: int = setting(0, ge=0, help="of the draws; a prompt gets the same answer whatever stands beside it")
    beams: int = setting(
        1, ge=1, le=64, help="how many beginnings are followed at once for the likeliest whole answer; 1: one"
    )
    length_penalty: float = setting(1.0, ge=0.0, le=10.0, help="beams: sums are divided by length to this power")
    stop: tuple[str, ...] = setting((), help="texts that end an answer; they are not part of it")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    text: what was written. finished: whether it ended by itself, before `max_new_tokens`. tokens_in, tokens_out: of prompt and answer.
    logprob: natural logarithm of its probability, end included; None where unknown. fault: why there is none (text is then
    empty and counts as no answer). cut: tokens of the prompt that had no room. kept: whether it had been kept from before; seconds: what an
    endpoint took for it when it was asked, None where that is not known.
    """

    text: str
    finished: bool
    tokens_in: int
    tokens_out: int
    logprob: float | None = None
    fault: str | None = None
    cut: int = 0
    kept: bool = field(default=False, compare=False)
    seconds: float | None = field(default=None, compare=False)


class Answers(Protocol):
    """Whatever writes answers."""

    def answers(
        self,
        prompts: Sequence[Prompt],
        writing: Writing = ...,
        *,
        schema: Mapping[str, Any] | None = None,
        choices: Sequence[str] | None = None,
    ) -> list[Answer]:
        """One answer a prompt, in order. schema: answers are JSON of this schema. choices: answers are one of these texts."""
        ...

    def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[str], *, mean: bool = False, ends: bool = True
    ) -> np.ndarray:
        """Log-probability of every candidate as the answer to every prompt, (prompts, candidates)."""
        ...


def messages_of(prompt: Prompt) -> list[Message]:
    """A prompt as messages."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if not prompt:
        raise UsageError("a prompt has no message", hint="give a text, or a list of messages with role and content")
    return list(prompt)


def check_writing(writing: Writing, *, schema: object = None, choices: Sequence[str] | None = None) -> None:
    """Raise UsageError for settings that contradict each other."""
    if writing.beams > 1 and writing.temperature > 0:
        raise UsageError(
            "beams follow the likeliest answers and temperature draws them", hint="set one of: beams: 1, temperature: 0"
        )
    if writing.beams > 1 and writing.stop:
        raise UsageError("beams know no stop texts", hint="set beams: 1, or leave stop out")
    if schema is not None and choices is not None:
        raise UsageError("an answer follows a schema or is one of some choices, not both")
    if writing.beams > 1 and (schema is not None or choices is not None):
        raise UsageError("beams write free text", hint="set beams: 1")
    if choices is not None and (len(set(choices)) != len(choices) or not all(choices)):
        raise UsageError("choices must be different texts, none of them empty")
