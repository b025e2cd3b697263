"""Words, tags and spans: from one to the other, and the best legal sequence of tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailorlm.data.rows import as_text

# A word: one CJK character, a run of letters, digits and marks, or one other sign.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|(?:(?![\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])[\w\u0300-\u036f])+|\S"
)
_SINGLE, _LAST = {"U", "S"}, {"L", "E"}

Span = tuple[int, int, str]


@dataclass(frozen=True)
class Marked:
    """A text, its words (start, end) and its spans (start, end, type), both in order. repaired: tags that could not stand where they stood."""

    text: str
    words: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]
    repaired: int = 0


def words_of(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word of a running text; together they hold everything but white space."""
    return [match.span() for match in _WORD.finditer(text)]


def from_tags(tokens: Sequence[str], tags: Sequence[str], illegal: str, *, begun: bool | None = None) -> Marked | str:
    """Tokens with tags as a text, the tokens joined by blanks, with spans; or what is wrong with them.

    Tags: `O`, and a type behind `B-`, `I-` and, in BILOU and BIOES, `L-`/`E-` (last) and `U-`/`S-` (single); a bare type counts as `I-`. A tag that
    cannot follow the one before begins a span of its own (conlleval's reading), or is refused where `illegal` says so. begun: whether every span
    begins with a `B-` or `U-`/`S-` in the rows that these tags are of (`marks_beginnings`); without it, in these tags alone.
    """
    begun = marks_beginnings([tags]) if begun is None else begun
    ends = np.cumsum([len(token) + 1 for token in tokens], dtype=int) - 1
    words = tuple((end - len(token), end) for end, token in zip(ends.tolist(), tokens, strict=True))
    spans: list[tuple[int, int, str]] = []
    repaired, open_at, kind = 0, -1, ""
    for i, tag in enumerate(tags):
        mark, _, name = tag.partition("-")
        if tag in ("O", ""):
            mark, name = "O", ""
        elif not name or mark not in {"B", "I", *_SINGLE, *_LAST}:
            mark, name = "I", tag
        goes_on = mark in {"I", *_LAST} and open_at >= 0 and name == kind
        if open_at >= 0 and not goes_on:
            spans.append((open_at, i, kind))
            open_at = -1
        if mark != "O" and not goes_on:
            stray = begun and mark in {"I", *_LAST}
            if stray and illegal == "refuse":
                return f"a tag that cannot stand there ({tag} at token {i + 1})"
            repaired += stray
            open_at, kind = i, name
        if mark in _SINGLE | _LAST and open_at >= 0:
            spans.append((open_at, i + 1, kind))
            open_at = -1
    if open_at >= 0:
        spans.append((open_at, len(tags), kind))
    found = tuple((words[a][0], words[b - 1][1], name) for a, b, name in spans)
    return Marked(" ".join(tokens), words, found, repaired)


def marks_beginnings(rows: Iterable[Sequence[str]]) -> bool:
    """Whether the tags of these rows begin every span with `B-` or `U-`/`S-`: one stands where no span of its type goes before.

    The oldest scheme (IOB1) has `B-` between neighbours of one type alone, and the plainest (IO) has none; there `I-` may begin.
    """
    for tags in rows:
        for before, tag in zip(["O", *tags], tags, strict=False):
            mark, dash, kind = tag.partition("-")
            if dash and mark in {"B", *_SINGLE} and (before.partition("-")[2] or before) != kind:
                return True
    return False


def from_spans(text: str, given: Any, nested: str) -> Marked | str:
    """A text with spans by character offsets; or what is wrong with them. nested: what is done with spans that share characters."""
    if given is None:
        given = []
    if not isinstance(given, list):
        return "no list of spans"
    spans: list[Span] = []
    for number, item in enumerate(given, 1):
        if isinstance(item, dict):
            item = [item.get("start"), item.get("end"), item.get("label", item.get("type"))]
        if not (isinstance(item, list) and len(item) == 3 and all(type(offset) is int for offset in item[:2])):
            return f"span {number} without start, end and label"
        start, end, kind = item[0], item[1], as_text(item[2]) if item[2] is not None else ""
        if not 0 <= start < end <= len(text):
            return f"span {number} ({start} to {end}) outside its text of {len(text)} characters"
        if not kind.strip():
            return f"span {number} without a label"
        spans.append((start, end, kind))
    flat = _flat(sorted(set(spans)), nested)
    if isinstance(flat, str):
        return flat
    return Marked(text, tuple(words_of(text)), flat)


def _flat(spans: Sequence[Span], nested: str) -> tuple[Span, ...] | str:
    kept: list[Span] = []
    order = sorted(spans, key=lambda span: (span[1] - span[0]) * (-1 if nested == "outermost" else 1))
    for span in order:
        other = next((k for k in kept if span[0] < k[1] and k[0] < span[1]), None)
        if other is None:
            kept.append(span)
        elif nested == "refuse":
            return "spans inside or across each other (--column nested=outermost keeps the longest)"
    return tuple(sorted(kept))


def outputs_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of the tags: `O`, then `B-` and `I-` of each type."""
    return ("O", *(f"{mark}-{label}" for label in labels for mark in "BI"))


def codes_of(words: Sequence[Sequence[int]], spans: Sequence[Sequence[Any]], labels: Sequence[str]) -> np.ndarray:
    """(words,) tags as places in `outputs_of`; a word that a span covers in part belongs to it."""
    place = {label: i for i, label in enumerate(labels)}
    codes = np.zeros(len(words), dtype=np.int64)
    for start, end, kind in spans:
        inside = [i for i, word in enumerate(words) if word[0] < end and start < word[1]]
        for i in inside:
            codes[i] = 1 + 2 * place[kind] + (i != inside[0])
    return codes


def spans_of(path: np.ndarray, labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first word, behind last word, type) of each span of a legal sequence of tags."""
    found: list[tuple[int, int, str]] = []
    for i, tag in enumerate(path.tolist()):
        if tag and tag % 2:
            found.append((i, i + 1, labels[(tag - 1) // 2]))
        elif tag:
            first, _, kind = found[-1]
            found[-1] = (first, i + 1, kind)
    return found
