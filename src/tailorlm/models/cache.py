"""Keys and values of tokens that a model has read: what transformers' attention layers ask for, kept without copying.

transformers' own dynamic cache copies everything it holds at every token, and pads its rows on the left. Ours has a place for every
token that will come: a row begins at column 0, so that what rows share (an instruction, fixed examples) lies at the same columns and
positions in all of them, is computed once, and needs no mask of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Prefix:
    """Keys and values of tokens that several rows begin with, computed once: one (1, heads, length, width) pair a layer.

    ids: the tokens. virtual: how many keys and values stand before these that are no tokens (prefix and prompt tuning learn such).
    """

    def __init__(self, layers: int):
        self.pairs: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.ids: list[int] = []
        self.virtual = 0

    @property
    def length(self) -> int:
        """How many keys there are."""
        return self.virtual + len(self.ids)

    def pair(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one layer."""
        found = self.pairs[layer]
        assert found is not None
        return found


class _Asked:
    """What transformers' mask building may ask of a cache. Ours are asked only where all tokens of a call are new."""

    is_compileable = False
    is_initialized = True

    def __init__(self, layers: int):
        self.is_sliding = [False] * layers

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the ones that come now: none."""
        return 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """Where the new tokens begin."""
        return 0

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """How many keys there will be, and where they begin."""
        return query_length, 0


class Recorder(_Asked):
    """Takes down the keys and values of a single row as it is read."""

    def __init__(self, prefix: Prefix):
        super().__init__(len(prefix.pairs))
        self.prefix = prefix

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by each attention layer."""
        before = self.prefix.pairs[layer_idx]
        if before is not None:
            keys, values = torch.cat([before[0], keys], 2), torch.cat([before[1], values], 2)
        self.prefix.pairs[layer_idx] = keys, values
        return keys, values


class Behind(_Asked):
    """Lets a batch of rows follow a prefix, and forgets the rows."""

    def __init__(self, prefix: Prefix):
        super().__init__(len(prefix.pairs))
        self.prefix = prefix

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by each attention layer."""
        if not self.prefix.length:
            return keys, values
        first, second = self.prefix.pair(layer_idx)
        rows = len(keys)
        return torch.cat([first.expand(rows, -1, -1, -1), keys], 2), torch.cat(
            [second.expand(rows, -1, -1, -1), values], 2
        )


class Slots(_Asked):
    """Room for `rows` rows of up to `capacity` tokens; rows `0..active` are in use, each as long as `lengths` says.

    A row that is done gives its place to the last one in use, so that those in use always lie together.
    """

    def __init__(self, prefix: Prefix, rows: int, capacity: int, device: torch.device):
        super().__init__(len(prefix.pairs))
        self.prefix, self.rows, self.capacity = prefix, rows, capacity
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)
        self.active = 0
        self._pairs: list[tuple[Tensor, Tensor] | None] = [None] * len(prefix.pairs)
        self._filling: int | None = None
        self._reaches: list[int] = []

    def fill(self, lengths: Sequence[int]) -> None:
        """The next call reads so many new rows, of these lengths behind the prefix; they are taken into use."""
        at = self.active
        self._filling, self.active = at, at + len(lengths)
        self.lengths[at : self.active] = torch.tensor(lengths, device=self.lengths.device) + self.prefix.length

    def step(self) -> None:
        """The next call reads one more token of every row in use."""
        self._filling = None
        self._reaches = [length + 1 for length in self.lengths[: self.active].tolist()]

    def stepped(self) -> None:
        """That call is over."""
        self.lengths[: self.active] += 1

    @property
    def reaches(self) -> list[int]:
        """How many columns each row in use sees in the call after `step`."""
        return self._reaches

    @property
    def longest(self) -> int:
        """How many columns that call sees."""
        return max(self._reaches)

    def leave(self, row: int) -> None:
        """A row is done."""
        last = self.active - 1
        if row != last:
            length = int(self.lengths[last])
            for pair in self._pairs:
                if pair is not None:
                    for held in pair:
                        held[row, :, :length] = held[last, :, :length]
            self.lengths[row] = self.lengths[last]
        self.active = last

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes what row `rows[i]` was (for beams)."""
        length = int(self.lengths[: self.active].max())
        for pair in self._pairs:
            if pair is not None:
                for held in pair:
                    held[: len(rows), :, :length] = held[rows, :, :length]
        self.lengths[: len(rows)] = self.lengths[rows]
        self.active = len(rows)

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by each attention layer."""
        held = self._pairs[layer_idx] or self._room(keys, values, layer_idx)
        if self._filling is None:
            rows = torch.arange(self.active, device=keys.device)
            places = self.lengths[: self.active]
            for buffer, new in zip(held, (keys, values), strict=True):
                buffer[rows, :, places] = new[:, :, 0]
            first, second = (buffer[: self.active, :, : self.longest] for buffer in held)
            return first, second
        start, stop = self.prefix.length, self.prefix.length + keys.shape[2]
        for buffer, new in zip(held, (keys, values), strict=True):
            buffer[self._filling : self.active, :, start:stop] = new
        if not start:
            return keys, values
        for buffer, shared in zip(held, self.prefix.pair(layer_idx), strict=True):
            buffer[self._filling : self.active, :, :start] = shared
        first, second = (buffer[self._filling : self.active, :, :stop] for buffer in held)
        return first, second

    def _room(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        made = [new.new_zeros(self.rows, new.shape[1], self.capacity, new.shape[3]) for new in (keys, values)]
        self._pairs[layer] = made[0], made[1]
        return made[0], made[1]
