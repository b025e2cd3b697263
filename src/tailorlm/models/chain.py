"""A chain over the scores of places that stand behind one another (a linear-chain conditional random field)."""

from __future__ import annotations

import torch
from torch import Tensor


def chain_losses(scores: Tensor, codes: Tensor, sizes: Tensor, links: Tensor) -> Tensor:
    """Minus the log-probability of each row's tags among all sequences of tags, (rows,), in nats, with gradients.

    scores: (places, tags), row after row. codes: (places,) the right tags. sizes: (rows,) places of each row. links: (tags, tags), what is
    added where the second tag stands behind the first. A row without places costs nothing. Rows are computed side by side, place by
    place: the forward algorithm. Source: Lafferty, McCallum & Pereira 2001.
    """
    rows, longest = len(sizes), int(sizes.max()) if len(sizes) else 0
    if not longest:
        return scores.new_zeros(rows) + 0 * links.sum()
    at = torch.arange(longest, device=sizes.device)
    inside = at < sizes[:, None]
    table = scores.new_zeros(rows, longest, scores.shape[1]).masked_scatter(inside[:, :, None], scores)
    tags = codes.new_zeros(rows, longest).masked_scatter(inside, codes)
    said = (table.gather(2, tags[:, :, None])[:, :, 0] * inside).sum(1)
    said = said + (links[tags[:, :-1], tags[:, 1:]] * inside[:, 1:]).sum(1)
    sums = table[:, 0]
    for i in range(1, longest):
        came = torch.logsumexp(sums[:, :, None] + links, dim=1) + table[:, i]
        sums = torch.where(inside[:, i, None], came, sums)
    return torch.where(sizes > 0, torch.logsumexp(sums, dim=1) - said, 0.0)


def links_of(rows: list[Tensor], tags: int) -> Tensor:
    """Links to begin with: the log of how much oftener a tag stands behind another than it stands behind any, (tags, tags).

    rows: (places,) tags of each row. Each tag counts as if it had been seen once more with the shares of all, so that what was never seen is
    unlikely and not impossible, and a tag without rows says nothing of the next.
    """
    pairs = torch.zeros(tags, tags, dtype=torch.float64)
    for row in rows:
        pairs.index_put_((row[:-1], row[1:]), torch.ones(max(0, len(row) - 1), dtype=torch.float64), accumulate=True)
    shares = pairs.sum(0) / pairs.sum().clamp_min(1)
    oftener = pairs / torch.where(shares > 0, shares, 1.0)
    return torch.log((oftener + 1) / (pairs.sum(1, keepdim=True) + 1)).float()
