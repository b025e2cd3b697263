"""Answers that stand in a context: windows over it behind a question, and the best stretches by the scores of their two ends."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tailorlm.tasks._pairs import frame_of, pieces_of
from tailorlm.tasks._windows import stretches
from tailorlm.tasks.readings import Readings, whole

# Beginnings that are looked at together: bounds the memory of a long window.
BLOCK = 256
# Of each window so many stretches more than are asked for: what only differs by white space is one answer.
SPARE = 8


@dataclass(frozen=True)
class Window:
    """Pieces of a context that are read together.

    offsets: (pieces, 2) int32 characters of each. first, last: whether the context begins or ends with them.
    """

    offsets: np.ndarray
    first: bool
    last: bool

    def places_of(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last piece of a stretch of characters; None where the window does not hold all of it."""
        inside = np.flatnonzero((self.offsets[:, 0] < end) & (self.offsets[:, 1] > start))
        if not len(inside):
            return None
        one, other = int(inside[0]), int(inside[-1])
        begins = one > 0 or self.first or self.offsets[0, 0] <= start
        ends = other < len(self.offsets) - 1 or self.last or self.offsets[-1, 1] >= end
        return (one, other) if begins and ends else None


def read_contexts(tokenizer: Any, inputs: Sequence[Sequence[str]], max_length: int, stride: int) -> Readings:
    """Each question before its context, in as many windows of `max_length` tokens as it needs, which share `stride` pieces.

    inputs: (question, context). places: one that stands for `no answer` (the first token where it sums the reading up, else the last
    one, which has seen all others), then every piece of the context. detail: a `Window` each. A question takes half a window at most.
    """
    frame = frame_of(tokenizer)
    if not frame.leads and not frame.after[0]:
        frame = replace(frame, after=((tokenizer.eos_token_id or 0,), (frame.segments[1],)))
    room = max(2, max_length - frame.size)
    found: list[list[int]] = []
    types: list[list[int]] = []
    readings = Readings(found, [], types, [], [])
    if not inputs:
        return readings
    assert readings.places is not None
    questions = pieces_of(tokenizer, [question for question, _ in inputs])
    encoded = tokenizer(
        [whole(context) for _, context in inputs],
        add_special_tokens=False,
        return_offsets_mapping=True,
        truncation=False,
        verbose=False,
    )
    for row, question in enumerate(questions):
        asked = question[: max(1, room // 2)]
        readings.cut += len(asked) < len(question)
        ids, offsets = encoded["input_ids"][row], np.array(encoded["offset_mapping"][row], np.int32).reshape(-1, 2)
        for start, end in stretches(len(ids), room - len(asked), stride):
            tokens = frame.joined(asked, ids[start:end])
            begin = len(frame.before[0]) + len(asked) + len(frame.between[0])
            found.append(tokens)
            types.append(frame.types(len(asked), end - start))
            readings.rows.append(row)
            readings.places.append([0 if frame.leads else len(tokens) - 1, *range(begin, begin + end - start)])
            readings.detail.append(Window(offsets[start:end], start == 0, end == len(ids)))
    return readings


def best_stretches(starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray, longest: int, count: int) -> list[Any]:
    """The `count` best stretches of a window: (score, first piece, last piece), the best first, of equal ones the earlier.

    starts, ends: (pieces,) scores of each piece as a beginning and as an end; a stretch has their sum. longest: characters it may have.
    """
    pieces, found = len(starts), list[tuple[float, int, int]]()
    for at in range(0, pieces, BLOCK):
        some = slice(at, min(at + BLOCK, pieces))
        sums = starts[some, None] + ends[None]
        first = np.arange(some.start, some.stop)[:, None]
        lengths = offsets[None, :, 1] - offsets[some, 0][:, None]
        sums = np.where((np.arange(pieces)[None] >= first) & (lengths > 0) & (lengths <= longest), sums, -np.inf)
        flat = sums.ravel()
        edge = np.partition(flat, -count)[-count] if count < len(flat) else -np.inf
        top = np.flatnonzero((flat >= edge) & (flat > -np.inf))
        top = top[np.argsort(-flat[top], kind="stable")][:count]
        found += [(float(flat[i]), at + i // pieces, i % pieces) for i in top.tolist()]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))[:count]


def trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """A stretch without white space at its ends, and with the marks (accents, vowel signs) of its last character."""
    while start < end and context[start].isspace():
        start += 1
    while end > start and context[end - 1].isspace():
        end -= 1
    while start < end < len(context) and unicodedata.category(context[end]).startswith("M"):
        end += 1
    return start, end


def found_in(context: str, text: str) -> tuple[int, int] | None:
    """Where words stand in a context: to the letter, else but for case and white space, else without signs around them; the first such place."""
    for words in dict.fromkeys((text, text.strip(" \t\n\"'“”‘’«»「」`*.,;:!?。、"))):
        at = context.find(words) if words else -1
        if at >= 0:
            return at, at + len(words)
        folded = _folded(context, words)
        if folded is not None:
            return folded
    return None


def _folded(context: str, words: str) -> tuple[int, int] | None:
    """The place of words but for case and runs of white space, in characters of the context."""
    wanted = " ".join(words.casefold().split())
    if not wanted:
        return None
    signs: list[str] = []
    places: list[int] = []
    for place, char in enumerate(context):
        if char.isspace():
            if signs and signs[-1] != " ":
                signs.append(" ")
                places.append(place)
            continue
        for folded in char.casefold():
            signs.append(folded)
            places.append(place)
    at = "".join(signs).find(wanted)
    return (places[at], places[at + len(wanted) - 1] + 1) if at >= 0 else None
