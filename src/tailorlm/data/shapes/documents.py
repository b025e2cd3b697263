"""Plain text, with or without a title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._facts import Facts, is_text
from tailorlm.data.shapes.base import Columns, Role, RowShape, text_of, text_or_none
from tailorlm.data.shapes.classify import TEXT

_NAMES = (*TEXT.names, "article", "page", "markdown", "passage")


class Documents(RowShape):
    """Texts to learn a domain from, or to look things up in: `documents`. Record: `{"text"}`, with `title`, `source`.

    It is what rows are when they show nothing more: any other shape that fits goes first.
    """

    name: ClassVar[str] = "documents"
    what: ClassVar[str] = "a column of text and nothing to predict"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("text", _NAMES, is_text),
        Role("title", ("title", "headline", "heading"), is_text, needed=False),
        Role("source", ("source", "url", "file", "path"), is_text, needed=False),
    )
    beats: ClassVar[frozenset[str]] = frozenset()

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How long the texts are."""
        lengths = sorted(len(value) for value in facts.values(str(columns["text"])) if isinstance(value, str))
        middle = lengths[len(lengths) // 2] if lengths else 0
        return (f"texts of {middle:,} characters (median), and no column to predict",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"text"}`, with `title` and `source` where the row has them."""
        more = {role: text_or_none(values, columns, role) for role in ("title", "source")}
        return {"text": text_of(values, columns, "text"), **{k: v for k, v in more.items() if v is not None}}
