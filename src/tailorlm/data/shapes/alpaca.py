"""Alpaca: an instruction, an input, an output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._chat import Message, said
from tailorlm.data.shapes._facts import Facts, is_scalar, is_text, structured
from tailorlm.data.shapes.base import Columns, Role, RowShape, Unfit, one_column, text_of, text_or_none


def _may_be_empty(facts: Facts, column: str) -> bool:
    """A sample in which no row has an input says nothing about the rows beyond it."""
    return not facts.values(column) or is_text(facts, column)


def _turns(facts: Facts, column: str) -> bool:
    return not facts.values(column) or facts.mostly(column, lambda value: _history(value) is not None)


class Alpaca(RowShape):
    """Instructions with an input and an output, as Alpaca and its followers write them: `alpaca`. Record: that of `messages`.

    The user's message is the instruction, and below it, after a blank line, the input where there is one. `system` and
    `history` (earlier pairs of question and answer) go before it.
    """

    name: ClassVar[str] = "alpaca"
    what: ClassVar[str] = "a column of instructions and one of outputs"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("instruction", ("instruction", "instructions"), is_text),
        Role("input", ("input", "context"), _may_be_empty, needed=False),
        Role("output", ("output", "response", "answer", "completion"), lambda f, c: f.mostly(c, is_scalar)),
        Role("system", ("system", "system_prompt"), _may_be_empty, needed=False),
        Role("history", ("history",), _turns, needed=False),
    )
    beats: ClassVar[frozenset[str]] = frozenset({"documents", "completion"})

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many rows have an input."""
        inputs = len(facts.values(one_column(columns, "input"))) if "input" in columns else 0
        answers = f"{columns['output']} answers {columns['instruction']}"
        return (f"{answers}, {inputs:,} of {len(facts.rows):,} rows with an input",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"messages"}`."""
        system, more = text_or_none(values, columns, "system"), text_or_none(values, columns, "input")
        messages: list[Message] = [said("system", system)] if system is not None else []
        if "history" in columns and (past := values.get(one_column(columns, "history"))) not in (None, ""):
            pairs = _history(past)
            if pairs is None:
                raise Unfit("the history is no list of pairs of text")
            for question, answer in pairs:
                messages += [said("user", question), said("assistant", answer)]
        asked = text_of(values, columns, "instruction")
        messages.append(said("user", asked if more is None else f"{asked}\n\n{more}"))
        return {"messages": [*messages, said("assistant", text_of(values, columns, "output"))]}


def _history(value: Any) -> list[list[str]] | None:
    found = structured(value)
    pairs = isinstance(found, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in found
    )
    return found if pairs else None
