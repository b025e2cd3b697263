"""Two texts as one row of tokens: what a tokenizer puts around and between them, and what is cut where they are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailorlm.tasks.readings import PORTION, Ragged, Readings, whole

Part = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Frame:
    """What stands before, between and behind two texts: ids, with a segment id for each; and the segment ids of the two texts.

    leads: whether the first token is the one that a model was taught to sum a text up in (`[CLS]`).
    """

    before: Part
    between: Part
    after: Part
    segments: tuple[int, int] = (0, 0)
    leads: bool = False

    @property
    def size(self) -> int:
        """Tokens that are no text."""
        return len(self.before[0]) + len(self.between[0]) + len(self.after[0])

    def joined(self, first: Sequence[int], second: Sequence[int]) -> list[int]:
        """The ids of a pair."""
        return [*self.before[0], *first, *self.between[0], *second, *self.after[0]]

    def types(self, first: int, second: int) -> list[int]:
        """The segment ids of a pair of so many tokens."""
        one, other = self.segments
        return [*self.before[1], *[one] * first, *self.between[1], *[other] * second, *self.after[1]]


def frame_of(tokenizer: Any) -> Frame:
    """How a tokenizer frames a pair: as it does itself; where it knows no pairs, as it frames one text, with a line break between."""
    pair = _framed(tokenizer, "a", "a")
    if pair.between[0]:
        return pair
    single = _framed(tokenizer, "a", None)
    line = tokenizer("\n", add_special_tokens=False)["input_ids"] or [tokenizer.eos_token_id or 0]
    between = single.after[0] or tuple(line)
    frame = pair if pair.size else single
    return Frame(frame.before, (between, (0,) * len(between)), frame.after, pair.segments, frame.leads)


def _framed(tokenizer: Any, first: str, second: str | None) -> Frame:
    encoded = tokenizer(first, second, return_token_type_ids=True, truncation=False)
    whose = encoded.sequence_ids()
    pairs = list(zip(encoded["input_ids"], encoded["token_type_ids"], strict=True))
    one = [i for i, text in enumerate(whose) if text == 0]
    other = [i for i, text in enumerate(whose) if text == 1] or one

    def part(start: int, stop: int) -> Part:
        ids, types = zip(*pairs[start:stop], strict=True) if pairs[start:stop] else ((), ())
        return tuple(ids), tuple(types)

    between = part(one[-1] + 1, other[0]) if second is not None else ((), ())
    leads = bool(one[0]) and pairs[0][0] == tokenizer.cls_token_id
    return Frame(
        part(0, one[0]), between, part(other[-1] + 1, len(pairs)), (pairs[one[0]][1], pairs[other[0]][1]), leads
    )


def pieces_of(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, nothing around them and nothing cut."""
    if not texts:
        return []
    encoded = tokenizer([whole(text) for text in texts], add_special_tokens=False, truncation=False, verbose=False)
    return [list(ids) for ids in encoded["input_ids"]]


def fair(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two texts of so many tokens is kept: all where there is room, else the longer one gives way until both are equal."""
    if first + second <= room:
        return first, second
    half = room // 2
    if first <= second:
        kept = min(first, half)
        return kept, room - kept
    kept = min(second, half)
    return room - kept, kept


def read_pairs(tokenizer: Any, pairs: Sequence[Sequence[str]], max_length: int) -> Readings:
    """Each pair of texts as one reading of `max_length` tokens at most, with segment ids."""
    frame = frame_of(tokenizer)
    room = max(2, max_length - frame.size)
    sizes: list[tuple[int, int]] = []
    cut = 0

    def portions() -> Any:
        nonlocal cut
        for at in range(0, len(pairs), PORTION):
            some = pairs[at : at + PORTION]
            sides = [pieces_of(tokenizer, [pair[side] for pair in some]) for side in (0, 1)]
            for one, other in zip(*sides, strict=True):
                first, second = fair(len(one), len(other), room)
                cut += (first, second) != (len(one), len(other))
                sizes.append((first, second))
                yield frame.joined(one[:first], other[:second])

    tokens = Ragged(portions())
    return Readings(tokens, types=Ragged(frame.types(*size) for size in sizes), cut=cut)
