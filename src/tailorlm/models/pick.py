"""Which token comes next: the likeliest, or one drawn; the same for a row whatever rows stand beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tailorlm.models.answers import Writing

# Rows of logits that are gone over at once.
TOGETHER = 4


def pick(logits: Tensor, writing: Writing, draws: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The next token of each row and its log-probability under the model, (rows,) each.

    logits: (rows, vocabulary) float32, -inf for what may not come; they are used up. draws: one number in [0, 1) a row, used where
    temperature is above 0.
    """
    if not writing.temperature:
        return _likeliest(logits)
    chosen = _drawn(logits / writing.temperature, writing, draws)
    total = torch.logsumexp(logits, 1)
    return chosen, logits.gather(1, chosen[:, None])[:, 0] - total


def _likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest token of each row and its log-probability, in place and a few rows at a time, which stay in the processor's cache."""
    parts = torch.split(logits, TOGETHER) if logits.device.type == "cpu" else (logits,)
    chosen, sums = [], []
    for part in parts:
        top = part.max(1)
        chosen.append(top.indices)
        # Over the largest, all together are at least one: its log-probability is minus the logarithm of that sum.
        sums.append(part.sub_(top.values[:, None]).exp_().sum(1))
    return torch.cat(chosen), -torch.cat(sums).log()


def _drawn(logits: Tensor, writing: Writing, draws: Sequence[float]) -> Tensor:
    """One token a row by the inverse of the cumulated probabilities, the likeliest first."""
    if writing.top_k and writing.top_k < logits.shape[1]:
        kept, ids = logits.topk(writing.top_k, 1)
    else:
        kept, ids = logits.sort(dim=1, descending=True, stable=True)
    probability = torch.softmax(kept.double(), 1)
    before = probability.cumsum(1) - probability
    if writing.top_p < 1:
        probability = probability.masked_fill(before >= writing.top_p, 0.0)
    reached = probability.cumsum(1)
    at = torch.tensor(draws, dtype=torch.float64, device=logits.device)[:, None] * reached[:, -1:]
    # The last place with a probability catches what rounding leaves over.
    last = (probability > 0).sum(1, keepdim=True) - 1
    place = torch.minimum(torch.searchsorted(reached, at, right=True), last)
    return ids.gather(1, place)[:, 0]


class Dice:
    """Numbers in [0, 1) for the tokens of one row, told by seed, prompt and how often that prompt came before it."""

    def __init__(self, seed: int, prompt: Sequence[int], occurrence: int):
        digest = hashlib.sha256(np.array(prompt, dtype=np.int64).tobytes()).digest()
        words = np.frombuffer(digest, dtype=np.uint32)
        self._random = np.random.Generator(
            np.random.Philox(np.random.SeedSequence([seed, occurrence, *words.tolist()]))
        )

    def roll(self) -> float:
        """The next number."""
        return float(self._random.random())
