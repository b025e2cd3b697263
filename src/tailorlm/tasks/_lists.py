"""Lists that a model has written: read from its text, and their items found again in the text that they are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tailorlm.tasks._spans import Span


def listed(text: str | None) -> list[Any] | None:
    """The JSON list that a text holds: the first that can be read, whatever stands around it; None where there is none."""
    at = -1 if text is None else text.find("[")
    while text is not None and at >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("[", at + 1)
            continue
        return found if isinstance(found, list) else None
    return None


def written_spans(text: str, spans: Sequence[Sequence[Any]]) -> str:
    """Spans of a text as a model is to write them: a JSON list of objects with `text` and `label`, in their order."""
    return json.dumps([{"text": text[start:end], "label": kind} for start, end, kind in spans], ensure_ascii=False)


def spans_schema(labels: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of what `written_spans` writes."""
    named = {"text": {"type": "string", "minLength": 1}, "label": {"enum": list(labels)}}
    item = {"type": "object", "properties": named, "required": list(named), "additionalProperties": False}
    return {"type": "array", "items": item}


def heard_spans(
    said: str | None, text: str, words: Sequence[Sequence[int]], labels: Sequence[str]
) -> tuple[list[Span] | None, dict[str, Any]]:
    """Spans of a text that a model has written, in order; None where it wrote no list. Second: what became of the items.

    Each item's words are sought behind the one before it, then anywhere that is free; whole words go before parts of words. `invented`: items
    whose words stand nowhere in the text (or nowhere that is free). `unknown`: items of no known type or form. Both are left out.
    """
    items = listed(said)
    counts = {"unread": items is None, "invented": 0, "unknown": 0}
    found: list[Span] = []
    starts, ends, behind = {word[0] for word in words}, {word[1] for word in words}, 0
    for item in items or ():
        words_said = item.get("text") if isinstance(item, dict) else None
        if not isinstance(words_said, str) or not words_said.strip() or item.get("label") not in labels:
            counts["unknown"] += 1
            continue
        wanted = words_said.strip()
        places = [at for at in _places(text, wanted) if all(at >= b or at + len(wanted) <= a for a, b, _ in found)]
        if not places:
            counts["invented"] += 1
            continue
        at = min(places, key=lambda at: (not (at in starts and at + len(wanted) in ends), at < behind, at))
        behind = at + len(wanted)
        found.append((at, behind, str(item["label"])))
    return (None if items is None else sorted(found)), counts


def _places(text: str, wanted: str) -> list[int]:
    """Where these words stand, from the left."""
    found, at = [], text.find(wanted)
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found
