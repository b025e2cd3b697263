"""Two texts, and perhaps what holds between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._facts import Facts, is_label, is_number, is_text
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, go_together, text_of, text_or_none

_PAIRS = (
    ("first", "second"), ("premise", "hypothesis"), ("sentence1", "sentence2"), ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"), ("text1", "text2"), ("text_1", "text_2"), ("text_a", "text_b"), ("texta", "textb"),
    ("question1", "question2"), ("question_1", "question_2"), ("query", "passage"), ("query", "document"),
    ("query", "positive"), ("anchor", "positive"), ("s1", "s2"), ("claim", "evidence"),
)  # fmt: skip
_LABELS = (
    "label", "gold_label", "score", "similarity", "similarity_score", "is_duplicate", "relevance", "entailment", "relation",
)  # fmt: skip


def _label(facts: Facts, column: str) -> bool:
    return is_label(facts, column) or is_number(facts, column)


class Pair(RowShape):
    """Pairs of texts (entailment, duplicates, search): `pair`. Record: `{"first", "second"}`, with `label` where there is one."""

    name: ClassVar[str] = "pair"
    what: ClassVar[str] = "two columns of text that belong together"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("first", tuple(dict.fromkeys(first for first, _ in _PAIRS)), is_text),
        Role("second", tuple(dict.fromkeys(second for _, second in _PAIRS)), is_text),
        Role("label", _LABELS, _label, needed=False),
    )
    beats: ClassVar[frozenset[str]] = frozenset({"documents", "classify"})

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By two names that go together; any two where the user said them."""
        if "first" in chosen and "second" in chosen:
            return super().find(facts, chosen)
        pairs = go_together(facts, _PAIRS, (is_text, is_text), (chosen.get("first"), chosen.get("second")))
        if not pairs:
            return None
        found = super().find(facts, {"first": pairs[0][0], "second": pairs[0][1], **chosen})
        if found is None or len(pairs) == 1:
            return found
        seconds = tuple(dict.fromkeys(second for _, second in pairs))
        return Found(found.shape, found.columns, found.evidence, {**found.doubts, "second": seconds})

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """By which names."""
        named = f"{columns['first']} and {columns['second']} are texts that belong together"
        return (named + (f", {columns['label']} says how" if "label" in columns else ""),)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"first", "second"}`, with `label` where the set has one."""
        found = {"first": text_of(values, columns, "first"), "second": text_of(values, columns, "second")}
        label = text_or_none(values, columns, "label")
        return found | ({"label": label} if label is not None else {})
