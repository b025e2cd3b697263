"""Lessons for the vectors of plain texts: told apart in two readings, or written again from what is left of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import CheckError
from tailorlm.models.encoder import TextModel
from tailorlm.models.rebuilder import Rebuilder
from tailorlm.training.order import SeededOrder
from tailorlm.training.search import together
from tailorlm.training.token_rows import TokenRows


class TwoReadings(Protocol):
    """How two readings of the same texts become losses."""

    def losses(self, first: Tensor, second: Tensor) -> Tensor:
        """first, second: (texts, width). Returns (texts,)."""


class TwiceLesson:
    """Texts in bundles, drawn anew for every pass; each is read twice and told from the others of its bundle.

    A bundle is what the loop takes for a row, since a text's loss depends on its whole bundle: however a step is cut, the loss is the same.
    size: texts of a bundle, and of an optimiser step. rows: token ids of each text. `order` is that of the bundles. A last
    bundle of one text, which would have nothing to be told from, joins the one before.
    """

    def __init__(self, model: TextModel, rows: Sequence[Sequence[int]], objective: TwoReadings, size: int, seed: int):
        if len(rows) < 2 or size < 2:
            raise CheckError(
                "texts are told from each other, and here each step has one",
                got=f"{len(rows)} texts, train.rows_per_step: {size}",
                hint="more texts, or train.rows_per_step: 32",
            )
        self.module: nn.Module = model
        self.model, self.rows, self.objective, self.padded = model, rows, objective, False
        self.bundles_of = SeededOrder([len(row) for row in rows], size, seed)
        content = hashlib.sha256(f"{type(objective).__name__} {size} {seed} {vars(objective)}".encode())
        for row in rows:
            content.update(np.asarray(row, dtype=np.int64).tobytes())
        self.fingerprint = content.hexdigest()
        self.begin(0)
        self.order = SeededOrder([1] * len(self.bundles), 1, seed)
        self.names = [f"bundle {i + 1} of {len(self.bundles)}" for i in range(len(self.bundles))]

    def begin(self, epoch: int) -> None:
        """Draw the bundles of pass `epoch` (from 0)."""
        self.bundles = bundles = together(list(self.bundles_of.steps(epoch)))
        self.lengths: Sequence[int] = [2 * sum(len(self.rows[i]) for i in bundle) for bundle in bundles]
        self.counts: Sequence[int] = [len(bundle) for bundle in bundles]

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these bundles, (bundles,), summed over its texts."""
        return torch.stack([self._bundle(self.bundles[i]).sum() for i in index])

    def _bundle(self, bundle: Sequence[int]) -> Tensor:
        rows = [self.rows[i] for i in bundle]
        both = self.model.pool(*self.model.pad([*rows, *rows]))
        return self.objective.losses(both[: len(rows)], both[len(rows) :])


class RebuildLesson:
    """Each text is written again, token by token, from the vector of what is left when words were taken out of it.

    rows: framed pieces; tokens that are not `learned` (the frame) stay, and are not written. begins: (tokens,) whether a token begins a word.
    delete: share of the words taken out, others in every pass, a function of seed and pass; one word of each row stays. counts: tokens written.
    """

    def __init__(
        self, rebuilder: Rebuilder, model: TextModel, rows: TokenRows, begins: np.ndarray, delete: float, seed: int
    ):
        self.module: nn.Module = rebuilder
        self.rebuilder, self.model, self.rows = rebuilder, model, rows
        self.delete, self.seed, self.padded = delete, seed, True
        self.words = rows.words(begins)
        # Once for the encoder, which reads less than all, and once for the decoder.
        self.lengths: Sequence[int] = (2 * rows.lengths).tolist()
        sums = np.concatenate([[0], np.cumsum(rows.learned)])
        self.counts: Sequence[int] = np.diff(sums[rows.borders]).tolist()
        told = f"rebuild {rows.fingerprint()} {delete} {seed} "
        self.fingerprint = rows.lesson_fingerprint(told, self.words)
        self.begin(0)

    @property
    def names(self) -> Sequence[str]:
        """Of the pieces."""
        return self.rows.names

    def begin(self, epoch: int) -> None:
        """Draw the words that are taken out in pass `epoch` (from 0)."""
        random, rows = np.random.default_rng([self.seed, epoch]), self.rows
        draws = random.random(int(self.words[-1]) + 1)
        chance = np.where(np.asarray(rows.learned, dtype=bool), draws[self.words], 2.0)
        # The word with the highest draw of its row stays, so that something is left to read.
        highest = np.maximum.reduceat(np.where(chance > 1, -1.0, chance), rows.borders[:-1])
        self.stays = (chance >= self.delete) | (chance == np.repeat(highest, rows.lengths))

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats, summed over its tokens."""
        spans = [slice(self.rows.borders[i], self.rows.borders[i + 1]) for i in index]
        left = [self.rows.ids[span][self.stays[span]].tolist() for span in spans]
        whole = [np.asarray(self.rows.ids[span])[np.asarray(self.rows.learned[span], dtype=bool)] for span in spans]
        return self.rebuilder.losses(self.model.pool(*self.model.pad(left)), whole)
