"""A prompt and what is to follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._chat import Message, is_messages, messages_of, said
from tailorlm.data.shapes._facts import Facts, is_scalar, is_text, structured
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, go_together, one_column, text_of, text_or_none

_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("prompt", "answer"), ("prompt", "output"),
    ("prompt", "canonical_solution"), ("prompt", "solution"), ("question", "answer"), ("question", "response"),
    ("question", "solution"), ("question", "sql"), ("query", "response"), ("query", "answer"), ("input", "output"),
    ("input", "target"), ("input", "response"), ("source", "target"), ("src", "tgt"), ("text", "summary"),
    ("document", "summary"), ("article", "summary"), ("article", "highlights"), ("dialogue", "summary"),
)  # fmt: skip


def _asked(facts: Facts, column: str) -> bool:
    return is_text(facts, column) or is_messages(facts, column)


def _answered(facts: Facts, column: str) -> bool:
    scalars = facts.mostly(column, lambda value: is_scalar(value) and structured(value) is None)
    return scalars or is_messages(facts, column)


class Completion(RowShape):
    """Prompts and what shall follow (question and answer, text and summary): `completion`. Record: that of `messages`.

    A `context` column goes to the user's message, below the prompt, with a blank line between. Prompt and completion may
    also be lists of messages.
    """

    name: ClassVar[str] = "completion"
    what: ClassVar[str] = "a column of prompts and one of what shall follow"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", tuple(dict.fromkeys(first for first, _ in _PAIRS)), _asked),
        Role("completion", tuple(dict.fromkeys(second for _, second in _PAIRS)), _answered),
        Role("context", ("context", "passage"), is_text, needed=False),
    )

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By two names that go together; any two where the user said them."""
        if "prompt" in chosen and "completion" in chosen:
            return super().find(facts, chosen)
        pairs = go_together(facts, _PAIRS, (_asked, _answered), (chosen.get("prompt"), chosen.get("completion")))
        if not pairs:
            return None
        found = super().find(facts, {"prompt": pairs[0][0], "completion": pairs[0][1], **chosen})
        if found is None or len(pairs) == 1:
            return found
        prompts, answers = (tuple(dict.fromkeys(pair[i] for pair in pairs)) for i in (0, 1))
        doubts = {role: c for role, c in (("prompt", prompts), ("completion", answers)) if len(c) > 1}
        return Found(found.shape, found.columns, found.evidence, doubts)

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """By which names, and how long the answers are."""
        answers = [value for value in facts.values(one_column(columns, "completion")) if isinstance(value, str)]
        lengths = sorted(map(len, answers))
        middle = f", of {lengths[len(lengths) // 2]:,} characters (median)" if lengths else ""
        return (f"{columns['completion']} follows {columns['prompt']}{middle}",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"messages"}`: what the user says, then what the assistant says."""
        asked = _side(values, columns, "prompt", "user")
        context = text_or_none(values, columns, "context")
        if context is not None:
            asked[-1] = {**asked[-1], "content": f"{asked[-1]['content']}\n\n{context}"}
        return {"messages": [*asked, *_side(values, columns, "completion", "assistant")]}


def _side(values: Mapping[str, Any], columns: Columns, role: str, speaker: str) -> list[Message]:
    value = values.get(one_column(columns, role))
    if structured(value) is not None and not isinstance(value, str):
        return messages_of(value)
    return [said(speaker, text_of(values, columns, role))]
