"""Conversations as lists of role and content, the form that OpenAI's and most other chat interfaces take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._chat import is_messages, is_tools, messages_of, tools_of, turns_in
from tailorlm.data.shapes._facts import Facts
from tailorlm.data.shapes.base import Columns, Role, RowShape, one_column


class Messages(RowShape):
    """Conversations: `messages`, with the `tools` that may be called. Record: `{"messages": [{"role", "content", ...}]}`.

    role: system, user, assistant, tool. Messages keep `tool_calls`, `tool_call_id`, `name` and `weight`.
    """

    name: ClassVar[str] = "messages"
    what: ClassVar[str] = "lists of messages with role and content"
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "messages",
            ("messages", "turns", "dialogue", "dialog", "conversation", "conversations", "chat"),
            is_messages,
        ),
        Role("tools", ("tools", "functions"), is_tools, needed=False),
    )

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many turns, in which column."""
        return (f"{columns['messages']} holds lists of messages: {turns_in(facts, one_column(columns, 'messages'))}",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"messages"}`, with `tools` where the row has some."""
        tools = tools_of(values, columns)
        found = {"messages": messages_of(values.get(one_column(columns, "messages")))}
        return found | ({"tools": tools} if tools else {})
