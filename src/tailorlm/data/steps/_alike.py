"""Rows that are copies or near copies of one another, found over rows on disk."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import numpy as np
from pydantic import Field

from tailorlm.data.near import Bar, Cluster, Near, Sketch, shingle_by
from tailorlm.data.near.keep import batches
from tailorlm.data.near.sketches import stream
from tailorlm.data.near.verify import jaccard
from tailorlm.data.steps.base import Context, Item, RowsOnDisk

_PAIRS = 200_000
_CROWD = 2_000_000
"""Pairs of one cluster, beyond which a near row will do for the nearest."""
Share = Annotated[float, Field(ge=0, le=1)]


def sketched(items: Sequence[Item], context: Context) -> list[str]:
    """What `alike` needs of some rows: the sketches of their texts, as base64. For a step's `look`."""
    texts = (context.fields.text(item.values) for item in items)
    return [b64encode(part.pack()).decode("ascii") for part in stream(texts, _index(context).signatures, 1)]


def alike(
    looks: Iterable[list[str]], rows: RowsOnDisk, context: Context, threshold: float | Bar
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


def _index(context: Context, threshold: float | Bar = 1.0) -> Near:
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

    Each different text is compared once with each different one of the others, by blocks, so memory stays small and a
    thousand copies of one row cost what one does; of equal texts the first is the nearest, with a similarity of 1. In a
    cluster of very many different texts the first ones that are near stand for the nearest (see `_compared`).
    """
    text = context.fields.text
    first: dict[str, Item] = {}
    for item in others:
        first.setdefault(text(item.values), item)
    found = {each: (item, 1.0) for each, item in first.items()}
    own = dict.fromkeys(text(item.values) for item in rows)
    for each, place, similar in _compared([each for each in own if each not in first], list(first), near):
        found[each] = first[place], similar
    for item in rows:
        if (match := found.get(text(item.values))) is not None:
            yield item.number, *match


def _compared(own: Sequence[str], others: Sequence[str], near: Near) -> Iterator[tuple[str, str, float]]:
    """Each text that is near one of the others, which one, and how alike the two are: the nearest, or, in a crowd (a
    template that made thousands of rows), the nearest of the first ones that are near."""
    width = max(1, _CROWD // max(1, len(own)))
    left = list(own)
    for at in range(0, len(others), width):
        some = others[at : at + width]
        alone = []
        for each, (place, similar) in zip(left, _best(left, some, near), strict=True):
            if similar >= 0:
                yield each, some[place], similar
            else:
                alone.append(each)
        left = alone


def _best(own: Sequence[str], others: Sequence[str], near: Near) -> Iterator[tuple[int, float]]:
    """For each text the place of the nearest of the others, and how alike the two are; -1 where none is near enough."""
    block = max(1, _PAIRS // len(others))
    for at in range(0, len(own), block):
        part = own[at : at + block]
        left, right = np.indices((len(part), len(others)))
        pairs = np.stack((left.ravel(), len(part) + right.ravel()), axis=1)
        similar = jaccard([*part, *others], pairs, near.shingles).reshape(len(part), len(others))
        least = near.bar.of(*np.ix_([len(text) for text in part], [len(text) for text in others]))
        for row in np.where(similar >= least, similar, -1.0):
            yield int(row.argmax()), float(row.max())
