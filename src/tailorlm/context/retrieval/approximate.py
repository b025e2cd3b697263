"""Search over millions of vectors: only the cells nearest to the query are looked at (extra `faiss`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.context.retrieval.flat import DIGITS
from tailorlm.context.retrieval.rank import Scores, best
from tailorlm.core.errors import TailorError

CELLS = "cells.faiss"
_BLOCK = 65_536
_PER_CELL = 64
"""Vectors that k-means sees for each cell it learns."""
_WIDER = 4
"""So many times k are fetched by their one-byte copies before the true cosines decide."""


class Approximate:
    """Vectors sorted into cells; a query is compared with those of the nearest few, first by copies of one byte a number, then exactly.

    Finds what `Flat` finds but for vectors in cells that were not looked at; the cosines are exact, and ties go by position. Memory: a
    byte a number (384 MB for a million vectors of width 384), where `Flat` needs four, or two, on the disk. Choose it from about a
    million vectors on; below, `Flat` is as fast and misses nothing. Source: Jégou et al. 2011 (inverted file), faiss (Douze et al.
    2024, arXiv:2401.08281).
    """

    def __init__(self, vectors: NDArray[Any], cells: Any):
        self.vectors, self._cells = vectors, cells

    @staticmethod
    def write(folder: Path, vectors: NDArray[Any], seed: int = 0) -> None:
        """Learn the cells of vectors, (n, width) of length one, and write them beside them."""
        faiss = faiss_module()
        count, width = vectors.shape
        cells = max(1, min(int(4 * math.sqrt(count)), count // _PER_CELL))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width), width, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.seed = seed + 1
        seen = np.sort(np.random.default_rng(seed).permutation(count)[: cells * _PER_CELL])
        index.train(np.asarray(vectors[seen], np.float32))
        for start in range(0, count, _BLOCK):
            index.add(np.asarray(vectors[start : start + _BLOCK], np.float32))
        faiss.write_index(index, str(folder / CELLS))

    @classmethod
    def load(cls, folder: Path, vectors: NDArray[Any]) -> Approximate:
        """The cells that `write` wrote. Raises TailorError when they cannot be read, or faiss is not installed."""
        faiss = faiss_module()
        try:
            cells = faiss.read_index(str(folder / CELLS))
        except RuntimeError as error:
            raise TailorError(
                f"{folder / CELLS} cannot be read", got=str(error).splitlines()[0], hint="build it again"
            ) from None
        if cells.ntotal != len(vectors):
            raise TailorError(f"{folder} has {cells.ntotal} sorted vectors of {len(vectors)}", hint="build it again")
        return cls(vectors, cells)

    def search(self, queries: Scores, k: int, probes: int) -> list[list[tuple[int, float]]]:
        """For each query, (m, width) of length one, the `k` best found as (position, cosine), best first. probes: cells looked at."""
        if not len(queries):
            return []
        # Said of this search alone: set on the cells, it would hold for the searches of other threads too.
        how = faiss_module().SearchParametersIVF(nprobe=min(probes, self._cells.nlist))
        wide = min(_WIDER * k, len(self.vectors))
        _, positions = self._cells.search(np.ascontiguousarray(queries, np.float32), wide, params=how)
        answers = []
        for query, row in zip(queries, positions, strict=True):
            near = np.sort(row[row >= 0])
            cosines = np.round(np.asarray(self.vectors[near], np.float32) @ query, DIGITS)
            top = best(cosines, k)
            answers.append([(int(near[i]), float(cosines[i])) for i in top])
        return answers


def faiss_module() -> Any:
    """The package faiss. Raises TailorError with what to type where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise TailorError(
            "this index is searched with faiss, which is not installed",
            hint="pip install 'tailorlm[faiss]', or build it with --set engine=flat",
        ) from None
    return faiss
