"""A text and its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.shapes._facts import Facts, is_label, is_text, known_as
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, text_of

TEXT = Role(
    "text",
    ("text", "sentence", "review", "review_text", "reviewtext", "utterance", "content", "comment", "comment_text", "tweet",
     "message", "document", "body", "description", "query", "title_and_text"),
    is_text,
)  # fmt: skip
"""The text of every shape that has one text; many sets call it by what it is."""
_LABELS = (
    "label", "labels", "class", "category", "intent", "sentiment", "target", "topic", "emotion", "polarity", "label_text",
    "gold_label", "stars", "rating", "tag", "language", "lang", "toxic", "spam", "is_spam",
)  # fmt: skip
_LONG_WORDS = 4  # words of a text, on average, where nothing but the values tells it from a label
_ENOUGH = 10_000  # characters of a value in which words are counted


class Classify(RowShape):
    """Texts with one label each: `classify`. Record: `{"text", "label"}`, both text.

    Choose `many_labels` where a row can have several, `pair` where the label is about two texts.
    """

    name: ClassVar[str] = "classify"
    what: ClassVar[str] = "a column of text and a column of labels"
    roles: ClassVar[tuple[Role, ...]] = (TEXT, Role("label", _LABELS, is_label))

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By names; else, in a set of no more than two columns beside its ids, by values alone."""
        found = super().find(facts, chosen)
        return found or self._by_values(facts, chosen)

    def _by_values(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        columns = [c for c in facts.columns if not _is_id(c)]
        texts = [c for c in columns if is_text(facts, c) and _words(facts, c) >= _LONG_WORDS and not is_label(facts, c)]
        labels = [c for c in columns if is_label(facts, c) and c not in texts and facts.distinct(c) > 1]
        if len(columns) != 2 or len(texts) != 1 or len(labels) != 1 or chosen:
            return None
        both: dict[str, str | tuple[str, ...]] = {"text": texts[0], "label": labels[0]}
        return Found(self.name, both, self.evidence(facts, both), {}, weak=True)

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many labels there are on how many rows."""
        label = str(columns["label"])
        return (f"{facts.distinct(label):,} different labels on {len(facts.values(label)):,} rows",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"text", "label"}`."""
        return {"text": text_of(values, columns, "text"), "label": text_of(values, columns, "label")}


def _is_id(column: str) -> bool:
    name = known_as(column)
    return name in ("id", "index", "idx", "split", "url", "source") or name.endswith("_id")


def _words(facts: Facts, column: str) -> float:
    values = [value for value in facts.values(column) if isinstance(value, str)]
    return sum(len(value[:_ENOUGH].split()) for value in values) / max(1, len(values))
