"""Writing many answers at once: prompts by length, what they share read once, rows that are done make room for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from tailorlm.core.errors import TailorError
from tailorlm.models.answers import Writing
from tailorlm.models.cache import Prefix, Slots
from tailorlm.models.chat import Chat
from tailorlm.models.decoder import Writer
from tailorlm.models.mode import evaluating
from tailorlm.models.pick import Dice, pick
from tailorlm.models.reach import reaching, within
from tailorlm.models.run import batches

# A prefix shorter than this is read again with every row: splitting it off costs more.
SHARED_LEAST = 16
# Bytes of keys and values that are held at once, all rows together (at most half of what is free), and rows.
HELD = {"cpu": 4 << 30, "cuda": 96 << 30}
ROWS = {"cpu": 64, "cuda": 512}


class Rule(Protocol):
    """What may come next in one answer (a choice among texts, a JSON schema)."""

    def allowed(self) -> Tensor | None:
        """Bool (vocabulary,) of the tokens that may come; None where all may."""
        ...

    def take(self, token: int) -> bool:
        """A token came; whether the answer is complete, so that nothing may follow."""
        ...


@dataclass
class Written:
    """One row while it is written: its token ids, whether it is done and ended by itself, its log-probability."""

    index: int
    prompt: list[int]
    dice: Dice
    rule: Rule | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    done: bool = False
    finished: bool = False
    text: str | None = None


def rows_for(prompts: Sequence[Sequence[int]], seed: int, rules: Callable[[int], Rule] | None = None) -> list[Written]:
    """The rows of some prompts (token ids), each with dice and a rule of its own."""
    seen: Counter[tuple[int, ...]] = Counter()
    rows = []
    for i, prompt in enumerate(prompts):
        key = tuple(prompt)
        rows.append(Written(i, list(prompt), Dice(seed, prompt, seen[key]), rules(i) if rules else None))
        seen[key] += 1
    return rows


def shared_start(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with, leaving one of each to be read."""
    if not rows:
        return 0
    # Whatever all rows share, the first and the last in order share.
    low, high = min(map(list, rows)), max(map(list, rows))
    most = min(len(row) for row in rows) - 1
    return next((i for i in range(min(most, len(low), len(high))) if low[i] != high[i]), max(most, 0))


def shared_prefix(writer: Writer, rows: Sequence[Sequence[int]]) -> Prefix:
    """What all rows begin with, read once; empty where that is too little to be worth it, or there is one row."""
    shared = shared_start(rows) if len(rows) > 1 else 0
    return writer.prefix(rows[0][:shared]) if shared >= SHARED_LEAST else writer.begin()


def room_for(writer: Writer, capacity: int) -> int:
    """How many rows of so many tokens are written at once."""
    if writer.device.type == "cuda":
        kind, free = "cuda", torch.cuda.mem_get_info(writer.device)[0]
    else:
        import psutil

        kind, free = "cpu", psutil.virtual_memory().available
    held = min(HELD[kind], free // 2)
    return max(1, min(ROWS[kind], held // (capacity * writer.token_bytes)))


def check_room(writer: Writer, prompts: Sequence[Sequence[int]]) -> None:
    """Raise TailorError for a prompt without a token, or one that leaves no room for an answer."""
    lengths = [len(prompt) for prompt in prompts]
    if not all(lengths):
        raise TailorError("a prompt has no token, so there is nothing to go on from")
    if max(lengths, default=0) >= writer.max_length:
        raise TailorError(
            "a prompt is as long as the model's context, so nothing can be written behind it",
            got=f"{max(lengths)} tokens",
            allowed=f"fewer than {writer.max_length}",
            hint="cut the prompts (Chat.prompt with max_length does), or choose a model with a longer context",
        )


@torch.inference_mode()
def write(
    writer: Writer,
    prompts: Sequence[Sequence[int]],
    writing: Writing,
    *,
    rules: Callable[[int], Rule] | None = None,
    listen: Callable[[Written], None] | None = None,
) -> list[Written]:
    """One answer a prompt (token ids), in order.

    rules: makes the rule of row i. listen: is called with a row whenever a token of it came. Raises TailorError where a prompt leaves
    no room for an answer.
    """
    check_room(writer, prompts)
    writer.check()
    with evaluating(writer), reaching(writer.body):
        return _Run(writer, prompts, writing, rules, listen).run()


@dataclass
class Chooser:
    """Gives rows their next tokens, and says which of them are done.

    room: tokens that prompt and answer may have together. listen: is called with a row whenever a token of it came.
    """

    chat: Chat
    writing: Writing
    room: int
    listen: Callable[[Written], None] | None = None

    def choose(self, logits: Tensor, rows: Sequence[Written]) -> None:
        """Append one token to each row. logits: (rows, vocabulary) float32, changed where rules forbid tokens."""
        for i, row in enumerate(rows):
            mask = row.rule.allowed() if row.rule is not None else None
            if mask is not None:
                logits[i].masked_fill_(~mask.to(logits.device), float("-inf"))
        draws = [row.dice.roll() for row in rows] if self.writing.temperature else []
        chosen, logprobs = pick(logits, self.writing, draws)
        for row, token, logprob in zip(rows, chosen.tolist(), logprobs.tolist(), strict=True):
            row.ids.append(token)
            row.logprob += logprob
            self._judge(row, token)
            if self.listen is not None:
                self.listen(row)

    def _judge(self, row: Written, token: int) -> None:
        """Whether the row ends here."""
        complete = row.rule.take(token) if row.rule is not None else False
        if complete or token in self.chat.stop_ids or (self.writing.stop and self._stopped(row)):
            row.done = row.finished = True
        elif len(row.ids) >= self.writing.max_new_tokens or len(row.prompt) + len(row.ids) >= self.room:
            row.done = True

    def _stopped(self, row: Written) -> bool:
        """Whether one of the stop texts has appeared; the text before it is then the answer."""
        text = self.chat.answer(row.prompt, row.ids)
        at = min((place for stop in self.writing.stop if (place := text.find(stop)) >= 0), default=-1)
        if at >= 0:
            row.text = text[:at]
        return at >= 0


class _Run:
    def __init__(
        self,
        writer: Writer,
        prompts: Sequence[Sequence[int]],
        writing: Writing,
        rules: Callable[[int], Rule] | None,
        listen: Callable[[Written], None] | None,
    ):
        self.writer, self.writing = writer, writing
        self.chooser = Chooser(writer.chat, writing, writer.max_length, listen)
        self.rows = rows_for(prompts, writing.seed, rules)

    def run(self) -> list[Written]:
        if not self.rows:
            return []
        prefix = shared_prefix(self.writer, [row.prompt for row in self.rows])
        waiting = sorted(self.rows, key=lambda row: (-len(row.prompt), row.index))
        while waiting:
            self._wave(waiting, prefix)
        return self.rows

    def _wave(self, waiting: list[Written], prefix: Prefix) -> None:
        """Write as many rows as there is room for at once, and let others follow where rows end early."""
        writer = self.writer
        capacity = min(len(waiting[0].prompt) + self.writing.max_new_tokens, writer.max_length)
        room = min(room_for(writer, capacity), len(waiting))
        slots = Slots(prefix, room, capacity + prefix.virtual, writer.device)
        active: list[Written] = []
        while True:
            free = room - len(active)
            # Rows of less than half the length are better off in a wave of their own, with more of them at once.
            fits = waiting and 2 * (len(waiting[0].prompt) + self.writing.max_new_tokens) > capacity
            if fits and (not active or free >= max(1, room // 4)):
                taken = [waiting.pop(0) for _ in range(min(free, len(waiting)))]
                self._read(taken, prefix, slots, active)
            if not active:
                return
            self._step(slots, active)

    def _read(self, taken: list[Written], prefix: Prefix, slots: Slots, active: list[Written]) -> None:
        """Read the prompts of new rows, in batches of like length, and choose their first tokens."""
        lengths = [len(row.prompt) - len(prefix.ids) for row in taken]
        for index in batches(lengths, self.writer.budget):
            rows = [taken[i] for i in index]
            slots.fill([lengths[i] for i in index])
            logits = self.writer.next_logits([row.prompt[len(prefix.ids) :] for row in rows], prefix, slots)
            active += rows
            self.chooser.choose(logits, rows)
            self._clear(slots, active)

    def _step(self, slots: Slots, active: list[Written]) -> None:
        """Read the last token of every row, and choose the next."""
        slots.step()
        device = self.writer.device
        ids = torch.tensor([[row.ids[-1]] for row in active], device=device)
        places = slots.lengths[: len(active), None]
        keys = torch.arange(slots.longest, device=device)[None]
        with within(slots.reaches):
            logits = self.writer.read(
                ids, slots, places=places, wanted=torch.ones_like(ids, dtype=torch.bool), keys=keys
            )
        slots.stepped()
        self.chooser.choose(logits, active)
        self._clear(slots, active)

    @staticmethod
    def _clear(slots: Slots, active: list[Written]) -> None:
        for place in range(len(active) - 1, -1, -1):
            if active[place].done:
                slots.leave(place)
                active[place] = active[-1]
                active.pop()
