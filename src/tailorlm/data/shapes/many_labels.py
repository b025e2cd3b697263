"""A text and all labels that apply to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.rows import as_text
from tailorlm.data.shapes._facts import Facts, is_scalar, structured
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, Unfit, text_of
from tailorlm.data.shapes.classify import TEXT

_NAMES = (
    "labels", "label", "categories", "category", "topics", "classes", "genres", "emotions", "tags", "intents", "keywords",
)  # fmt: skip
_SEPARATORS = ("|", ";", ",")
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")
_FEWEST_FLAGS = 3


def _lists(facts: Facts, column: str) -> bool:
    """Lists of scalars, or text with the same separator between labels that recur."""
    if facts.mostly(column, lambda value: _is_list(structured(value))):
        return any(structured(value) for value in facts.values(column))
    return _separator(facts.values(column)) is not None


class ManyLabels(RowShape):
    """Texts with any number of labels: `many_labels`. Record: `{"text", "labels"}`.

    The labels stand in one column, as lists or with `|`, `;` or `,` between them, or in a column of 0 and 1 for each label.
    """

    name: ClassVar[str] = "many_labels"
    what: ClassVar[str] = "a column of text, and lists of labels or a column of 0 and 1 for each label"
    roles: ClassVar[tuple[Role, ...]] = (TEXT, Role("labels", _NAMES, _lists))
    beats: ClassVar[frozenset[str]] = frozenset({"documents", "classify"})

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By the names of both; else by at least three columns of 0 and 1 beside one text."""
        found = super().find(facts, chosen)
        if found is not None or "labels" in chosen:
            return found
        texts = [chosen["text"]] if "text" in chosen else self._named(TEXT, facts, set())
        flags = tuple(c for c in facts.columns if c not in texts and facts.mostly(c, lambda v: _flag(v) is not None))
        if not texts or len(flags) < _FEWEST_FLAGS:
            return None
        columns: dict[str, str | tuple[str, ...]] = {"text": texts[0], "labels": flags}
        doubts = {"text": tuple(texts)} if len(texts) > 1 else {}
        return Found(self.name, columns, (f"{len(flags)} columns of 0 and 1, one for each label",), doubts)

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How the labels are written."""
        column = str(columns["labels"])
        separator = _separator(facts.values(column))
        how = "lists of labels" if separator is None else f"labels with '{separator}' between them"
        several = sum(len(_parts(value) or ()) > 1 for value in facts.values(column))
        return (f"{column} holds {how}, several on {several:,} of {len(facts.values(column)):,} rows",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"text", "labels"}`; the labels in the order in which they stand."""
        text, where = text_of(values, columns, "text"), columns["labels"]
        if isinstance(where, tuple):
            flags = {column: _flag(values.get(column)) for column in where}
            unknown = next((c for c, flag in flags.items() if flag is None), None)
            if unknown is not None:
                raise Unfit(f"the column {unknown!r} holds neither 0 nor 1")
            return {"text": text, "labels": [column for column, flag in flags.items() if flag]}
        parts = _parts(values.get(where))
        if parts is None:
            raise Unfit(f"the column {where!r} holds no labels")
        return {"text": text, "labels": parts}


def _parts(value: Any) -> list[str] | None:
    """The labels in one value; an empty text or list has none of them, and a missing value is a fault."""
    found = structured(value)
    if _is_list(found):
        return [as_text(item) for item in found]
    if not isinstance(value, str):
        return None
    separator = next((s for s in _SEPARATORS if s in value), "|")
    return [part.strip() for part in value.split(separator) if part.strip()]


def _separator(values: list[Any]) -> str | None:
    """What stands between labels in a column of text: it occurs, and its parts recur more often than the whole values."""
    texts = [value for value in values if isinstance(value, str) and structured(value) is None]
    if len(texts) < len(values) or any(len(text) > 300 for text in texts):
        return None
    for separator in _SEPARATORS:
        parts = [part.strip() for text in texts for part in text.split(separator)]
        several = sum(separator in text for text in texts)
        if several >= max(2, len(texts) / 20) and len(set(parts)) < len(set(texts)) and "" not in parts:
            return separator
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(is_scalar(item) for item in value)


def _flag(value: Any) -> bool | None:
    if isinstance(value, float) and value in (0.0, 1.0):
        return value == 1.0
    if not isinstance(value, str | bool | int):
        return None
    text = as_text(value).lower()
    return True if text in _YES else False if text in _NO else None
