"""A question, a context, and the answer as a stretch of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._facts import FITS, Facts, is_text, structured
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, Unfit, one_column, text_of


def _answers(facts: Facts, column: str) -> bool:
    values = facts.values(column)
    fit = [value for value in values if _answer_list(value) is not None]
    return any(_answer_list(value) for value in fit) and len(fit) >= FITS * len(values)


class Extract(RowShape):
    """Questions answered by a stretch of a context: `extract`. Record: `{"question", "context", "answers": [{"text", "start"}]}`.

    answers: as SQuAD writes them (`{"text": [..], "answer_start": [..]}` or a list of objects), or one text; a text without
    an offset is looked for in the context and must stand there. No answer at all means that the context holds none.
    """

    name: ClassVar[str] = "extract"
    what: ClassVar[str] = "a question, a context, and answers that stand in it"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("question", ("question", "query"), is_text),
        Role("context", ("context", "passage", "paragraph", "document"), is_text),
        Role("answers", ("answers", "answer", "answer_text", "span"), _answers),
    )
    beats: ClassVar[frozenset[str]] = frozenset({"documents", "completion", "pair", "alpaca"})

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By names, where nearly all answers stand in their context."""
        found = super().find(facts, chosen)
        if found is None or "answers" in chosen:
            return found
        right, total = _standing(facts, found.columns)
        return found if total and right >= FITS * total else None

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many answers stand in their context."""
        right, total = _standing(facts, columns)
        return (f"{right:,} of {total:,} answers stand in their context",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"question", "context", "answers"}`."""
        question, context = text_of(values, columns, "question"), text_of(values, columns, "context")
        value = values.get(one_column(columns, "answers"))
        given = [] if value is None or value == "" else _answer_list(value)
        if given is None:
            raise Unfit("the answers are neither a text nor in the form of SQuAD")
        answers = []
        for number, (text, start) in enumerate(given, 1):
            begin = context.find(text) if start is None else start
            if begin < 0 or context[begin : begin + len(text)] != text:
                where = f"at {start} of" if start is not None else "in"
                raise Unfit(f"answer {number} does not stand {where} its context")
            answers.append({"text": text, "start": begin})
        return {"question": question, "context": context, "answers": answers}


def _standing(facts: Facts, columns: Columns) -> tuple[int, int]:
    right = total = 0
    for row in facts.rows:
        context = row.get(one_column(columns, "context"))
        value = row.get(one_column(columns, "answers"))
        for text, start in (_answer_list(value) or []) if value else []:
            total += 1
            if isinstance(context, str):
                right += text in context if start is None else context[start : start + len(text)] == text
    return right, total


def _answer_list(value: Any) -> list[tuple[str, int | None]] | None:
    """The answers with their offsets (None: not told); None when it is no answer."""
    found = structured(value)
    if found is None:
        return [(value, None)] if isinstance(value, str) else None
    if isinstance(found, dict):
        texts, starts = found.get("text"), found.get("answer_start", found.get("start"))
        if isinstance(texts, str):
            texts, starts = [texts], [starts]
        if not isinstance(texts, list):
            return None
        starts = starts if isinstance(starts, list) else [None] * len(texts)
        pairs = list(zip(texts, starts, strict=False)) if len(starts) == len(texts) else None
    else:
        pairs = [_pair(item) for item in found]
    if pairs is None or not all(isinstance(text, str) and _offset(start) for text, start in pairs):
        return None
    return pairs


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, dict):
        return item.get("text"), item.get("answer_start", item.get("start"))
    return item, None


def _offset(start: Any) -> bool:
    return start is None or (isinstance(start, int) and not isinstance(start, bool) and start >= 0)
