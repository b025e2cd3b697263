"""Turns of a conversation, in whatever spelling, as messages of role and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailorlm.data.shapes._facts import FITS, Facts, structured
from tailorlm.data.shapes.base import Columns, Unfit, one_column

Message = dict[str, Any]

SPELLINGS = (("role", "content"), ("speaker", "text"), ("role", "text"), ("author", "text"))
"""The keys under which sets hold who speaks and what is said, the usual one first."""
ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "customer": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "agent": "assistant", "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool",
}  # fmt: skip
CALL = "function_call"
"""What ShareGPT sets call a turn in which the assistant calls a tool."""
_KEPT = ("name", "tool_calls", "tool_call_id", "weight")


def is_messages(facts: Facts, column: str) -> bool:
    """Lists of turns in one of the spellings."""
    values = facts.values(column)
    fit = sum(spelling_of(structured(value)) is not None for value in values)
    return bool(values) and fit >= FITS * len(values)


def spelling_of(turns: Any) -> tuple[str, str] | None:
    """The keys that all turns of a list have; None where it is no list of turns, or an empty one."""
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
        return None
    for who, what in SPELLINGS:
        if all(isinstance(turn.get(who), str) and (what in turn or "tool_calls" in turn) for turn in turns):
            return who, what
    return None


def messages_of(value: Any, where: str = "message") -> list[Message]:
    """Turns as `{"role", "content"}`, with `name`, `tool_calls`, `tool_call_id`, `weight` where they stand. Raises Unfit.

    role: system, user, assistant or tool. Where speakers are called user and system, and nobody assistant, the system is
    who answers. Parts of text (`{"type": "text"}`) are joined; pictures and sounds are refused.
    """
    turns = structured(value)
    keys = spelling_of(turns)
    if keys is None:
        raise Unfit(f"no list of {where}s with {SPELLINGS[0][0]} and {SPELLINGS[0][1]}")
    called = {turn[keys[0]].lower() for turn in turns}
    answering = keys[0] == "speaker" and "system" in called and not any(ROLES.get(c) == "assistant" for c in called)
    return [_message(turn, keys, answering, f"{where} {i}") for i, turn in enumerate(turns, 1)]


def said(role: str, content: str) -> Message:
    """One message."""
    return {"role": role, "content": content}


def role_of(word: str, where: str) -> str:
    """The role that a word means. Raises Unfit for a word that is none."""
    role = ROLES.get(word.strip().lower())
    if role is None:
        raise Unfit(f"{where} has a role that is not known (known: {', '.join(ROLES)})")
    return role


def tools_of(values: Mapping[str, Any], columns: Columns) -> list[Any]:
    """The tools that the assistant of a row may call; none where the set has no column for them. Raises Unfit."""
    value = values.get(one_column(columns, "tools")) if "tools" in columns else None
    if value is None or value == "":
        return []
    tools = structured(value)
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Unfit("the tools are no list of objects")
    return tools


def is_tools(facts: Facts, column: str) -> bool:
    """Lists of objects, as JSON or its text; a column of empty lists too."""
    return not facts.values(column) or facts.mostly(column, lambda value: isinstance(structured(value), list))


def turns_in(facts: Facts, column: str) -> str:
    """How many turns there are, for the evidence."""
    counts = [len(turns) for value in facts.values(column) if isinstance(turns := structured(value), list)]
    return f"{len(counts):,} rows with {min(counts, default=0)} to {max(counts, default=0)} turns"


def common_start(one: Sequence[Message], other: Sequence[Message]) -> int:
    """How many messages at the beginning of both are equal."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _message(turn: Mapping[str, Any], keys: tuple[str, str], answering: bool, where: str) -> Message:
    word = turn[keys[0]].strip().lower()
    role = "assistant" if answering and word == "system" else role_of(word, where)
    content = turn.get(keys[1])
    calls = [key for key in ("tool_calls", "function_call") if turn.get(key)]
    if isinstance(content, list):
        content = "".join(_part(part, where) for part in content)
    elif content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise Unfit(f"{where} has no text")
    more = {key: turn[key] for key in _KEPT if turn.get(key) is not None}
    if calls == ["function_call"]:  # how tools were called before there could be several
        more["tool_calls"] = [{"type": "function", "function": turn["function_call"]}]
    return {"role": role, "content": content, **more}


def _part(part: Any, where: str) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None
    if not isinstance(text, str):
        raise Unfit(f"{where} has a part that is no text (a picture or a sound?)")
    return text
