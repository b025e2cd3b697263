"""Long texts in windows: pieces of words, where each word is read, and with how much around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailorlm.tasks.readings import Readings, whole


def windows(
    tokenizer: Any, texts: Sequence[tuple[str, Sequence[Sequence[int]]]], max_length: int, stride: int
) -> Readings:
    """Readings of texts with words (start, end), at the first piece of each word; `detail`: the words read, one a place.

    A text of more pieces than fit into `max_length` is read in windows that share `stride` pieces; a word is read in the window in
    which it has most on its nearer side. Pieces are matched to words by the tokenizer's offsets; a word of which the tokenizer
    leaves nothing is not read, and a text of such words alone has no reading.
    """
    found: list[list[int]] = []
    readings = Readings(found, [], None, [], [])
    if not texts:
        return readings
    assert readings.places is not None
    encoded = tokenizer(
        [whole(text) for text, _ in texts],
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        truncation=False,
        verbose=False,
    )
    for row, (_, words) in enumerate(texts):
        ids, special = encoded["input_ids"][row], encoded["special_tokens_mask"][row]
        inner = [i for i, flag in enumerate(special) if not flag]
        first, last = (inner[0], inner[-1] + 1) if inner else (len(ids), len(ids))
        before, after = ids[:first], ids[last:]
        pieces = ids[first:last]
        heads = _heads(encoded["offset_mapping"][row][first:last], words)
        room = max(1, max_length - len(before) - len(after))
        for start, end, chosen in _cut(len(pieces), heads, room, min(stride, room - 1)):
            if not chosen:  # the middle of one long word, or nothing that the tokenizer knows: no word is read here
                continue
            tokens = [*before, *pieces[start:end], *after] or [tokenizer.pad_token_id or 0]
            found.append(list(tokens))
            readings.rows.append(row)
            readings.places.append([len(before) + heads[word] - start for word in chosen])
            readings.detail.append(chosen)
    return readings


def _heads(offsets: Sequence[Sequence[int]], words: Sequence[Sequence[int]]) -> dict[int, int]:
    """The first piece of each word, by word; both stand in order."""
    heads: dict[int, int] = {}
    piece = 0
    for number, (start, end) in enumerate(words):
        while piece < len(offsets) and (offsets[piece][1] <= start or offsets[piece][0] == offsets[piece][1]):
            piece += 1
        at = piece
        while at < len(offsets) and offsets[at][0] == offsets[at][1]:
            at += 1
        if at < len(offsets) and offsets[at][0] < end:
            heads[number] = at
    return heads


def _cut(pieces: int, heads: dict[int, int], room: int, stride: int) -> list[tuple[int, int, list[int]]]:
    """(first piece, behind last piece, words read) of each window; one window where all fits."""
    if pieces <= room:
        return [(0, pieces, list(heads))]
    starts, ends = zip(*stretches(pieces, room, stride), strict=True)
    read: list[list[int]] = [[] for _ in starts]
    for word, head in heads.items():
        inside = [i for i, (start, end) in enumerate(zip(starts, ends, strict=True)) if start <= head < end]
        best = max(inside, key=lambda i: (min(head - starts[i], ends[i] - head), -i))
        read[best].append(word)
    return list(zip(starts, ends, read, strict=True))


def stretches(pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """(first piece, behind last piece) of each window of a text: one where all fits into `room`, else several that share `stride` pieces."""
    if pieces <= room:
        return [(0, pieces)]
    stride = min(stride, room - 1)
    return [(start, min(start + room, pieces)) for start in range(0, pieces - stride, room - stride)]
