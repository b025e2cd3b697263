"""Tokens with a tag each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tailorlm.data.rows import as_text
from tailorlm.data.shapes._facts import Facts, is_list_of_text, is_scalar, structured
from tailorlm.data.shapes.base import Columns, Found, Role, RowShape, Unfit, one_column


def _scalars(facts: Facts, column: str) -> bool:
    return facts.mostly(column, lambda value: _is_tag_list(structured(value)))


class Tags(RowShape):
    """Sentences cut into tokens, with a tag for each: `tags`. Record: `{"tokens", "tags"}`, of equal length.

    Choose `spans` where offsets into the running text are known: they survive another tokenizer.
    """

    name: ClassVar[str] = "tags"
    what: ClassVar[str] = "a list of tokens and a list of as many tags"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("tokens", ("tokens", "words", "token"), is_list_of_text),
        Role("tags", ("tags", "ner_tags", "labels", "ner", "bio", "iob", "pos_tags", "tag"), _scalars),
    )

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """By names, where nearly all rows have as many tags as tokens."""
        found = super().find(facts, chosen)
        if found is None or "tags" in chosen:
            return found
        tokens = one_column(found.columns, "tokens")
        candidates = found.doubts.get("tags", (one_column(found.columns, "tags"),))
        equal = [column for column in candidates if _equal_share(facts, tokens, column) >= 0.9]
        if not equal:
            return None
        columns: dict[str, str | tuple[str, ...]] = {"tokens": tokens, "tags": equal[0]}
        doubts = {role: names for role, names in found.doubts.items() if role != "tags"}
        doubts |= {"tags": tuple(equal)} if len(equal) > 1 else {}
        return Found(self.name, columns, self.evidence(facts, columns), doubts)

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """In how many rows the lengths agree."""
        share = _equal_share(facts, one_column(columns, "tokens"), one_column(columns, "tags"))
        return (f"as many tags as tokens in {share:.0%} of the rows",)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """`{"tokens", "tags"}`."""
        tokens, tags = (structured(values.get(one_column(columns, role))) for role in ("tokens", "tags"))
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise Unfit("the tokens are no list of texts")
        if not _is_tag_list(tags):
            raise Unfit("the tags are no list")
        if len(tokens) != len(tags):
            raise Unfit(f"{len(tokens)} tokens, but {len(tags)} tags")
        return {"tokens": tokens, "tags": [as_text(tag) for tag in tags]}


def _is_tag_list(value: Any) -> bool:
    return isinstance(value, list) and all(is_scalar(item) for item in value)


def _equal_share(facts: Facts, tokens: str, tags: str) -> float:
    pairs = [(structured(row.get(tokens)), structured(row.get(tags))) for row in facts.rows]
    both = [(a, b) for a, b in pairs if isinstance(a, list) and isinstance(b, list)]
    return sum(len(a) == len(b) for a, b in both) / len(both) if both else 0.0
