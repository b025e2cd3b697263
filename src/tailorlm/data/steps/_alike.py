"""Rows that are copies or near copies of one another, found over rows on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tailorlm.data.near import Cluster, Near
from tailorlm.data.near.verify import jaccard
from tailorlm.data.steps.base import Context, Item, RowsOnDisk

_PAIRS = 20_000


def alike(
    rows: RowsOnDisk, context: Context, threshold: float, shingle: int | None = None
) -> tuple[list[Cluster], Near]:
    """The clusters of rows whose texts are alike, and the index that found them.

    Memory: `Near.bytes_per_row` for each row; texts of candidates are fetched from the disk. Rows without any text are
    like no other.
    """
    near = Near(threshold=threshold, shingle=shingle, seed=0, workers=max(1, context.workers))
    text = context.fields.text

    def texts() -> Iterator[str]:
        for item in rows:
            yield text(item.values)

    def fetch(numbers: Sequence[int]) -> Sequence[str]:
        return [text(item.values) for item in rows.fetch(numbers)]

    near.add(texts())
    return near.clusters(fetch), near


def nearest(
    rows: Sequence[Item], others: Sequence[Item], context: Context, near: Near
) -> Iterator[tuple[int, Item, float]]:
    """For each of `rows` that is near one of `others`: its number, the nearest of them and their similarity.

    All pairs are compared, by blocks of rows, so memory stays small; equal texts have a similarity of 1.
    """
    if not rows or not others:
        return
    texts = [context.fields.text(item.values) for item in others]
    block = max(1, _PAIRS // len(others))
    for at in range(0, len(rows), block):
        part = rows[at : at + block]
        own = [context.fields.text(item.values) for item in part]
        pairs = np.array([[i, len(part) + j] for i in range(len(part)) for j in range(len(others))])
        similar = jaccard([*own, *texts], pairs, near.shingles).reshape(len(part), len(others))
        for item, found in zip(part, similar, strict=True):
            best = int(found.argmax())
            if found[best] >= near.threshold:
                yield item.number, others[best], float(found[best])
