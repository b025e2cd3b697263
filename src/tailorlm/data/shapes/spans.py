"""A text and marked stretches of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.rows import as_text
from tailorlm.data.shapes._facts import Facts, is_scalar, structured
from tailorlm.data.shapes.base import Columns, Role, RowShape, Unfit, one_column, text_of
from tailorlm.data.shapes.classify import TEXT

_STARTS = ("start", "start_offset", "begin", "start_char", "startOffset")
_ENDS = ("end", "end_offset", "end_char", "stop", "endOffset")
_LABELS = ("label", "tag", "type", "slot", "entity", "entity_group", "class", "category")


def _spans(facts: Facts, column: str) -> bool:
    values = [structured(value) for value in facts.values(column)]
    lists = [value for value in values if isinstance(value, list)]
    fit = [value for value in lists if all(_span(item) is not None for item in value)]
    return any(fit) and len(fit) >= 0.9 * len(values)


class Spans(RowShape):
    """Texts with labelled stretches by character offsets: `spans`. Record: `{"text", "spans": [{"start", "end", "label"}]}`.

    A stretch is an object (`start`, `end` or `start_offset`, …, with a label) or a list `[start, end, label]`; `end` is the
    offset behind its last character.
    """

    name: ClassVar[str] = "spans"
    what: ClassVar[str] = "a column of text, and lists of stretches with start, end and label"
    roles: ClassVar[tuple[Role, ...]] = (
        TEXT,
        Role("spans", ("spans", "entities", "label", "labels", "annotations", "ner", "slots", "mentions"), _spans),
    )

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """How many stretches lie inside their text."""
        inside = total = 0
        for row in facts.rows:
            text = row.get(one_column(columns, "text"))
            spans = structured(row.get(one_column(columns, "spans")))
            for span in map(_span, spans if isinstance(spans, list) else []):
                total += 1
                inside += span is not None and isinstance(text, str) and 0 <= span[0] < span[1] <= len(text)
        return (f"{inside:,} of {total:,} stretches lie inside their text",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"text", "spans"}`, the stretches in the order in which they stand."""
        text, given = text_of(values, columns, "text"), structured(values.get(one_column(columns, "spans")))
        if not isinstance(given, list):
            raise Unfit("the stretches are no list")
        spans = []
        for number, item in enumerate(given, 1):
            span = _span(item)
            if span is None:
                raise Unfit(f"stretch {number} has no start, end and label")
            if not 0 <= span[0] < span[1] <= len(text):
                raise Unfit(
                    f"stretch {number} ({span[0]} to {span[1]}) is not inside its text of {len(text)} characters"
                )
            spans.append({"start": span[0], "end": span[1], "label": span[2]})
        return {"text": text, "spans": spans}


def _span(item: Any) -> tuple[int, int, str] | None:
    if isinstance(item, list) and len(item) == 3:
        start, end, label = item
    elif isinstance(item, dict):
        start, end, label = (
            next((item[key] for key in keys if key in item), None) for keys in (_STARTS, _ENDS, _LABELS)
        )
        if isinstance(label, list) and len(label) == 1:  # Label Studio writes a list
            label = label[0]
    else:
        return None
    offsets = isinstance(start, int) and isinstance(end, int) and not isinstance(start, bool | str)
    return (start, end, as_text(label)) if offsets and is_scalar(label) else None
