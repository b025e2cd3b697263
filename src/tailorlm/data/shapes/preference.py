"""Two answers to the same prompt, one of them better."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._chat import Message, common_start, is_messages, messages_of, role_of, said
from tailorlm.data.shapes._facts import Facts, is_text, structured
from tailorlm.data.shapes.base import Columns, Role, RowShape, Unfit, one_column, text_of

_TRANSCRIPT = re.compile(r"\n\n(Human|Assistant):")


def _answers(facts: Facts, column: str) -> bool:
    return is_text(facts, column) or is_messages(facts, column)


class Preference(RowShape):
    """A chosen and a rejected answer: `preference`. Record: `{"prompt", "chosen", "rejected"}`, each a list of messages.

    The answers are texts, lists of messages that may begin with the prompt, or transcripts (`Human: … Assistant: …`);
    what both begin with is the prompt where no column holds it.
    """

    name: ClassVar[str] = "preference"
    what: ClassVar[str] = "a column of chosen and one of rejected answers"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", ("prompt", "question", "instruction", "input"), _answers, needed=False),
        Role("chosen", ("chosen", "preferred", "chosen_response"), _answers),
        Role("rejected", ("rejected", "dispreferred", "rejected_response"), _answers),
    )

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """In how many rows the two differ."""
        chosen, rejected = one_column(columns, "chosen"), one_column(columns, "rejected")
        differ = sum(row.get(chosen) != row.get(rejected) for row in facts.rows)
        return (f"{chosen} and {rejected} differ in {differ:,} of {len(facts.rows):,} rows",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"prompt", "chosen", "rejected"}`."""
        chosen, rejected = (_side(values, columns, role, "assistant") for role in ("chosen", "rejected"))
        prompt: list[Message] = []
        if "prompt" in columns and values.get(one_column(columns, "prompt")) not in (None, "", []):
            prompt = _side(values, columns, "prompt", "user")
        shared = common_start(chosen, rejected)
        if not prompt:
            prompt = chosen[:shared]
        elif len(chosen) < 2 and len(rejected) < 2:
            shared = 0
        if not chosen[shared:] or not rejected[shared:]:
            raise Unfit("the chosen and the rejected answer are the same, or one goes on where the other ends")
        return {"prompt": prompt, "chosen": chosen[shared:], "rejected": rejected[shared:]}


def _side(values: Mapping[str, Any], columns: Columns, role: str, speaker: str) -> list[Message]:
    value = values.get(one_column(columns, role))
    if not isinstance(value, str) or structured(value) is not None:
        return messages_of(value)
    text = text_of(values, columns, role)
    if _TRANSCRIPT.match(text) is None:
        return [said(speaker, text)]
    parts = _TRANSCRIPT.split(text)[1:]
    return [said(role_of(who, role), what.strip()) for who, what in zip(parts[::2], parts[1::2], strict=True)]
