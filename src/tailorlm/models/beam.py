"""Beam search: several beginnings of each answer are followed at once, and the likeliest whole one is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tailorlm.models.answers import Writing
from tailorlm.models.cache import Prefix, Slots
from tailorlm.models.decoder import Writer
from tailorlm.models.generate import Written, check_room, room_for, shared_prefix
from tailorlm.models.run import batches


@dataclass
class _Search:
    """One prompt: its live beams and whole answers, each as (ids, log-probability)."""

    row: Written
    live: list[tuple[list[int], float]] = field(default_factory=list)
    whole: list[tuple[float, list[int], float]] = field(default_factory=list)


@torch.inference_mode()
def search(writer: Writer, rows: Sequence[Written], writing: Writing) -> None:
    """Write an answer into each row (in place): ids, log-probability, whether it ended by itself.

    Among answers that ended (and, where no room is left, those that did not) the one with the highest log-probability divided by its
    length to the power `length_penalty` is taken. An answer is followed no further once nothing that is still live could beat the
    worst of `beams` whole ones at its present length.
    """
    check_room(writer, [row.prompt for row in rows])
    writer.check()
    prefix = shared_prefix(writer, [row.prompt for row in rows])
    waiting = sorted(rows, key=lambda row: (-len(row.prompt), row.index))
    while waiting:
        capacity = min(len(waiting[0].prompt) + writing.max_new_tokens, writer.max_length)
        count = max(1, room_for(writer, capacity) // writing.beams)
        _group(writer, [_Search(row) for row in waiting[:count]], writing, prefix, capacity)
        waiting = waiting[count:]


def _group(writer: Writer, searches: list[_Search], writing: Writing, prefix: Prefix, capacity: int) -> None:
    slots = Slots(prefix, len(searches) * writing.beams, capacity + prefix.virtual, writer.device)
    # Prompts are read in batches of like length, so the searches take that order.
    lengths = [len(s.row.prompt) - len(prefix.ids) for s in searches]
    ordered: list[_Search] = []
    first: list[Tensor] = []
    for index in batches(lengths, writer.budget):
        slots.fill([lengths[i] for i in index])
        rests = [searches[i].row.prompt[len(prefix.ids) :] for i in index]
        first.append(torch.log_softmax(writer.next_logits(rests, prefix, slots), 1))
        ordered += [searches[i] for i in index]
    for s in ordered:
        s.live = [([], 0.0)]
    scores = torch.cat(first)
    while ordered:
        ordered = _grow(writer, ordered, scores, slots, writing)
        if ordered:
            scores = _read(writer, ordered, slots)


def _grow(writer: Writer, searches: list[_Search], scores: Tensor, slots: Slots, writing: Writing) -> list[_Search]:
    """Give every live beam its next token, and bring the cache into the order of the beams that stay."""
    size = scores.shape[1]
    kept: list[_Search] = []
    parents: list[int] = []
    start = 0
    for s in searches:
        count = len(s.live)
        sums = scores[start : start + count] + scores.new_tensor([total for _, total in s.live])[:, None]
        # Twice as many as beams: if every beam ended, as many would still be there to go on.
        found = sums.flatten().topk(min(2 * writing.beams, sums.numel()))
        live: list[tuple[list[int], float]] = []
        from_rows: list[int] = []
        for rank, (total, place) in enumerate(zip(found.values.tolist(), found.indices.tolist(), strict=True)):
            ids = [*s.live[place // size][0], place % size]
            if ids[-1] in writer.chat.stop_ids:
                if rank < writing.beams:
                    _keep(s, ids, total, writing)
            elif len(live) < writing.beams:
                live.append((ids, total))
                from_rows.append(start + place // size)
        s.live = live
        if _over(writer, s, writing):
            _finish(s, writing, writer)
        else:
            kept.append(s)
            parents += from_rows
        start += count
    if parents != list(range(slots.active)):
        slots.reorder(torch.tensor(parents, dtype=torch.long, device=writer.device))
    return kept


def _read(writer: Writer, searches: list[_Search], slots: Slots) -> Tensor:
    """Log-probabilities of the next token of every live beam, (beams of all, vocabulary)."""
    slots.step()
    ids = torch.tensor([[ids[-1]] for s in searches for ids, _ in s.live], device=writer.device)
    places = slots.lengths[: len(ids), None]
    keys = torch.arange(slots.longest, device=writer.device)[None]
    logits = writer.read(ids, slots, places=places, wanted=torch.ones_like(ids, dtype=torch.bool), keys=keys)
    slots.stepped()
    return torch.log_softmax(logits, 1)


def _keep(s: _Search, ids: list[int], total: float, writing: Writing) -> None:
    s.whole.append((total / len(ids) ** writing.length_penalty, ids, total))
    s.whole.sort(key=lambda item: -item[0])
    del s.whole[writing.beams :]


def _over(writer: Writer, s: _Search, writing: Writing) -> bool:
    if not s.live:
        return True
    length = len(s.live[0][0])
    if length >= writing.max_new_tokens or len(s.row.prompt) + length >= writer.max_length:
        return True
    best = s.live[0][1] / length**writing.length_penalty
    return len(s.whole) >= writing.beams and s.whole[-1][0] >= best


def _finish(s: _Search, writing: Writing, writer: Writer) -> None:
    if len(s.whole) < writing.beams:
        for ids, total in s.live:
            _keep(s, ids, total, writing)
    _, s.row.ids, s.row.logprob = s.whole[0]
    s.row.done, s.row.finished = True, s.row.ids[-1] in writer.chat.stop_ids
