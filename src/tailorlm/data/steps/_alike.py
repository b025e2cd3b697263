"""Rows that are copies or near copies of one another, found over rows on disk."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from tailorlm.data.near import Cluster, Near, Sketch, shingle_by
from tailorlm.data.near.keep import batches
from tailorlm.data.near.sketches import stream
from tailorlm.data.near.verify import jaccard
from tailorlm.data.steps.base import Context, Item, RowsOnDisk

_PAIRS = 20_000


def sketched(items: Sequence[Item], context: Context) -> list[str]:
    """What `alike` needs of some rows: the sketches of their texts, as base64. For a step's `look`."""
    texts = (context.fields.text(item.values) for item in items)
    return [b64encode(part.pack()).decode("ascii") for part in stream(texts, _index(context).signatures, 1)]


def alike(
    looks: Iterable[list[str]], rows: RowsOnDisk, context: Context, threshold: float
) -> tuple[list[Cluster], Near]:
    """The clusters of rows whose texts are alike, and the index that found them.

    looks: the answers of `sketched` over all rows, in order. Memory: `Near.bytes_per_row` for each row; texts of
    candidates are fetched from the disk. Rows without any text are like no other.
    """
    near = _index(context, threshold)
    for told in looks:
        for packed in told:
            near.take(Sketch.unpack(b64decode(packed)))

    def fetch(numbers: Sequence[int]) -> Sequence[str]:
        return [context.fields.text(item.values) for item in rows.fetch(numbers)]

    return near.clusters(fetch), near


def _index(context: Context, threshold: float = 1.0) -> Near:
    return Near(threshold=threshold, shingle=shingle_by(context.typical), seed=0, workers=max(1, context.workers))


def fetched(clusters: Iterable[Cluster], rows: RowsOnDisk) -> Iterator[list[tuple[Cluster, list[Item]]]]:
    """Clusters with their rows, some thousand rows at a time."""
    for batch in batches(clusters):
        items = iter(rows.fetch([number for cluster in batch for number in cluster.indices]))
        yield [(cluster, list(islice(items, len(cluster.indices)))) for cluster in batch]


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
