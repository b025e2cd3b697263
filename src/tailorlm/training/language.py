"""Lessons in language: the next token of a row, or tokens that are hidden in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.row_losses import RowLosses
from tailorlm.training.token_rows import TokenRows


class NextTokens:
    """Each learned token is predicted from the tokens before it in its row: completions, or whole texts.

    module: what holds the parameters, where it is more than the losses' own model. lengths: tokens a row. counts: tokens a row is learnt
    from. Rows are packed where the architecture allows it, and only learned positions meet the vocabulary (`models/row_losses.py`).
    """

    def __init__(self, losses: RowLosses, rows: TokenRows, module: nn.Module | None = None):
        self.of, self.rows = losses, rows
        self.module = module or losses.model
        self.padded = not losses.packed
        self.targets = rows.targets()
        self.lengths: Sequence[int] = rows.lengths.tolist()
        self.counts: Sequence[int] = _counts(self.targets, rows.borders)
        self.fingerprint = hashlib.sha256(f"next tokens {rows.fingerprint()}".encode()).hexdigest()

    @property
    def names(self) -> Sequence[str]:
        """Of the rows."""
        return self.rows.names

    def begin(self, epoch: int) -> None:
        """Every pass learns the same tokens."""

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats, summed over its learned tokens."""
        spans = [slice(self.rows.borders[i], self.rows.borders[i + 1]) for i in index]
        ids = [np.asarray(self.rows.ids[span]) for span in spans]
        places = np.flatnonzero(np.concatenate([self.targets[span] for span in spans]))
        found = self.of(ids, places - 1, np.concatenate(ids)[places])
        return _by_row(found, places, ids)


class HiddenTokens:
    """Some words of each row are hidden, others in every pass, and predicted from what stands around them (masked language modelling).

    Of the hidden tokens 80% are shown as the mask, 10% as a random token, 10% as they are (Devlin et al. 2018, arXiv:1810.04805); words are
    hidden whole. mask: the mask's id. vocabulary: ids that a random token is drawn from, 0 up to this. special: (tokens,) never hidden.
    begins: (tokens,) whether a token begins a word; without it every token is a word. Which words is a function of seed, pass and rows.
    """

    def __init__(
        self,
        losses: RowLosses,
        rows: TokenRows,
        *,
        mask: int,
        vocabulary: int,
        begins: np.ndarray | None = None,
        share: float = 0.15,
        seed: int = 0,
        module: nn.Module | None = None,
    ):
        if not 0 < share <= 1:
            raise TailorError(f"a share of {share} of the words cannot be hidden", allowed="above 0, at most 1")
        self.of, self.rows, self.share, self.seed = losses, rows, share, seed
        self.mask, self.vocabulary = mask, vocabulary
        self.module = module or losses.model
        self.padded = not losses.packed
        self.lengths: Sequence[int] = rows.lengths.tolist()
        self.words = rows.words(begins)
        told = f"hidden tokens {rows.fingerprint()} {mask} {vocabulary} {share} {seed} "
        self.fingerprint = rows.lesson_fingerprint(told, self.words)
        self.begin(0)

    @property
    def names(self) -> Sequence[str]:
        """Of the rows."""
        return self.rows.names

    def begin(self, epoch: int) -> None:
        """Draw the hidden words of pass `epoch` (from 0)."""
        random, rows = np.random.default_rng([self.seed, epoch]), self.rows
        may = np.asarray(rows.learned, dtype=bool)
        draws = random.random(int(self.words[-1]) + 1 if len(self.words) else 0)
        chance = np.where(may, draws[self.words], 2.0)
        hidden = chance < self.share
        # A row in which no word was drawn hides the one that came nearest.
        least = np.minimum.reduceat(chance, rows.borders[:-1]) if len(rows) else np.zeros(0)
        hidden |= (chance == np.repeat(least, rows.lengths)) & np.repeat(
            (least >= self.share) & (least < 2), rows.lengths
        )
        self.hidden = hidden
        self.counts: Sequence[int] = _counts(hidden, rows.borders)
        shown = np.array(rows.ids, dtype=np.int64)
        kind = random.random(len(shown))
        shown[hidden & (kind < 0.8)] = self.mask
        other = hidden & (kind >= 0.8) & (kind < 0.9)
        shown[other] = random.integers(0, self.vocabulary, int(other.sum()))
        self.shown = shown

    def losses(self, index: Sequence[int]) -> Tensor:
        """Loss of each of these rows, (rows,), in nats, summed over its hidden tokens."""
        spans = [slice(self.rows.borders[i], self.rows.borders[i + 1]) for i in index]
        ids = [self.shown[span] for span in spans]
        places = np.flatnonzero(np.concatenate([self.hidden[span] for span in spans]))
        targets = np.concatenate([self.rows.ids[span] for span in spans])[places]
        return _by_row(self.of(ids, places, targets), places, ids)


def _counts(chosen: np.ndarray, borders: np.ndarray) -> list[int]:
    sums = np.concatenate([[0], np.cumsum(chosen)])
    return [int(count) for count in np.diff(sums[borders])]


def _by_row(losses: Tensor, places: np.ndarray, rows: Sequence[np.ndarray]) -> Tensor:
    row = np.searchsorted(np.cumsum([len(ids) for ids in rows]), places, side="right")
    where = torch.from_numpy(row).to(losses.device)
    return torch.zeros(len(rows), dtype=losses.dtype, device=losses.device).index_add(0, where, losses)
