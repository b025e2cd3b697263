"""ShareGPT: conversations as lists of from and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._chat import CALL, Message, is_tools, role_of, said, tools_of, turns_in
from tailorlm.data.shapes._facts import Facts, is_text, list_of, structured
from tailorlm.data.shapes.base import Columns, Role, RowShape, Unfit, one_column, text_or_none


def _system(facts: Facts, column: str) -> bool:
    return not facts.values(column) or is_text(facts, column)


class ShareGpt(RowShape):
    """Conversations of `{"from", "value"}`: `sharegpt`. Record: the same as of `messages`.

    human, gpt, system, observation and function_call become user, assistant, system, tool and a call of the assistant.
    """

    name: ClassVar[str] = "sharegpt"
    what: ClassVar[str] = "lists of turns with from and value"
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "conversations", ("conversations", "conversation", "messages", "dialogue", "chat"), list_of("from", "value")
        ),
        Role("system", ("system", "system_prompt"), _system, needed=False),
        Role("tools", ("tools", "functions"), is_tools, needed=False),
    )

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many turns, in which column."""
        return (f"{columns['conversations']} holds from and value: {turns_in(facts, str(columns['conversations']))}",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"messages"}`, with `tools` where the row has some."""
        turns = structured(values.get(one_column(columns, "conversations")))
        if not isinstance(turns, list) or not turns:
            raise Unfit("no list of turns with from and value")
        messages = [_message(turn, f"turn {i}") for i, turn in enumerate(turns, 1)]
        system, tools = text_or_none(values, columns, "system"), tools_of(values, columns)
        if system is not None:
            messages.insert(0, said("system", system))
        return {"messages": messages} | ({"tools": tools} if tools else {})


def _message(turn: Any, where: str) -> Message:
    who, text = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
    if not isinstance(who, str) or not isinstance(text, str):
        raise Unfit(f"{where} has no text 'from' and 'value'")
    if who.strip().lower() != CALL:
        return said(role_of(who, where), text)
    calls = structured(text)
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise Unfit(f"{where} is a call of a tool that is no JSON object with a name")
    return {**said("assistant", ""), "tool_calls": [{"type": "function", "function": call} for call in calls]}
