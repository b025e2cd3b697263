"""Conversations made to fit: the prompt gives way before the answer, oldest turns first, system text last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.models.chat import Chat, Rendered
    from tailorlm.models.template import Message

TRIES = 8


def fitted(
    make: Callable[[Sequence[Message]], Rendered], chat: Chat, messages: Sequence[Message], max_length: int | None
) -> Rendered:
    """`make(messages)`, with as little cut from the messages as `max_length` tokens ask for, and counts of what was.

    Whole exchanges go first, the oldest before the newer; then text of the last exchange from its left (users and tools, then
    the system's); the last answer is cut from its right only when it alone is too long. Raises TailorError where not even that
    fits.
    """
    done = make(messages)
    if max_length is None or len(done.ids) <= max_length:
        return done
    whole, kept = len(done.ids), list(messages)
    while len(done.ids) > max_length and (shorter := _without_oldest(kept)) is not None:
        kept = shorter
        done = make(kept)
    turns = len(messages) - len(kept)
    for role in ("user", "tool", "system"):
        for place in [i for i, m in enumerate(kept) if m.get("role") == role]:
            if len(done.ids) > max_length:
                done = _cut_left(make, chat, kept, place, max_length)
    answer = 0
    if len(done.ids) > max_length:
        answer = len(done.ids) - max_length
        done = _cut_right(done, max_length)
    return replace(done, cut=whole - len(done.ids) - answer, turns_cut=turns, answer_cut=answer)


def _without_oldest(messages: Sequence[Message]) -> list[Message] | None:
    """The conversation without its oldest exchange (a user's turn and what followed it); None where only one is left."""
    lead = next((i for i, m in enumerate(messages) if m.get("role") != "system"), len(messages))
    asked = [i for i in range(lead, len(messages)) if messages[i].get("role") == "user"]
    # A turn of several messages of the user begins with the first of them.
    begins = [i for i in asked if i == lead or messages[i - 1].get("role") != "user"]
    later = [i for i in begins if i > lead]
    return [*messages[:lead], *messages[later[0] :]] if later else None


def _cut_left(
    make: Callable[[Sequence[Message]], Rendered], chat: Chat, kept: list[Message], place: int, max_length: int
) -> Rendered:
    """Take tokens from the left of one message (in place) until the whole fits, or nothing of it is left."""
    ids = chat.tokens.encode(str(kept[place].get("content") or ""))
    done = make(kept)
    for _ in range(TRIES):
        over = len(done.ids) - max_length
        if over <= 0 or not ids:
            return done
        ids = ids[over:]
        # A character can be several tokens: what is left of one that was cut through is no text.
        text = chat.tokens.decode(ids, special=True).lstrip("\ufffd") if ids else ""
        kept[place] = {**kept[place], "content": text}
        done = make(kept)
    kept[place] = {**kept[place], "content": ""}
    return make(kept)


def _cut_right(done: Rendered, max_length: int) -> Rendered:
    answers = sum(done.learned)
    if len(done.ids) - max_length >= answers:
        raise TailorError(
            "the prompt is longer than the model's context, whatever is cut from it",
            got=f"{len(done.ids) - answers} tokens that cannot be cut",
            allowed=f"fewer than {max_length}",
            hint="raise max_length, or choose a model with a longer context",
        )
    return replace(done, ids=done.ids[:max_length], learned=done.learned[:max_length])
