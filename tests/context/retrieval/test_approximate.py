"""Search by cells: exact when all cells are looked at, near to it with few, and part of an index by one setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.retrieval.approximate import CELLS, Approximate
from tailorlm.context.retrieval.flat import Flat
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.core.errors import TailorError

pytest.importorskip("faiss", reason="the extra faiss is not installed")


def grouped(count: int, width: int, seed: int) -> np.ndarray:
    """Vectors of length one around forty places."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(9).normal(size=(40, width))
    made = places[random.integers(0, 40, count)] + 0.4 * random.normal(size=(count, width))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_all_cells_are_exact_and_few_are_near(tmp_path: Path) -> None:
    vectors, queries = grouped(6000, 16, 0), grouped(50, 16, 1)
    vectors[4000:4003] = vectors[7]
    queries[0] = vectors[7]
    exact = Flat(vectors).search(queries, 10)
    Approximate.write(tmp_path, vectors)
    index = Approximate.load(tmp_path, vectors)
    every = index.search(queries, 10, probes=10_000)
    assert [p for p, _ in every[0]][:4] == [7, 4000, 4001, 4002]
    shared = [len(dict(a).keys() & dict(b).keys()) for a, b in zip(exact, every, strict=True)]
    assert np.mean(shared) > 9.9
    assert dict(every[0]) == pytest.approx(dict(exact[0]), abs=2e-6)
    few = index.search(queries, 10, probes=8)
    one = index.search(queries, 10, probes=1)

    def found(answers: list[list[tuple[int, float]]]) -> float:
        return float(np.mean([len(dict(a).keys() & dict(b).keys()) / 10 for a, b in zip(exact, answers, strict=True)]))

    assert found(one) < found(few)
    assert found(few) > 0.9
    assert index.search(queries[:0], 10, probes=1) == []
    assert Approximate.load(tmp_path, vectors).search(queries, 10, probes=8) == few


def test_threads_look_at_as_many_cells_as_each_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's search comes in between, just before this one begins."""
    vectors, queries = grouped(6000, 16, 0), grouped(50, 16, 1)
    Approximate.write(tmp_path, vectors)
    index = Approximate.load(tmp_path, vectors)
    one, every = index.search(queries, 10, probes=1), index.search(queries, 10, probes=10_000)
    assert one != every

    def between(*given: Any, **more: Any) -> Any:
        monkeypatch.undo()
        assert index.search(queries, 10, probes=10_000) == every
        return index._cells.search(*given, **more)

    monkeypatch.setattr(index._cells, "search", between)
    assert index.search(queries, 10, probes=1) == one


@pytest.mark.parametrize("count", [1, 3, 70])
def test_of_little(count: int, tmp_path: Path) -> None:
    vectors = grouped(count, 8, 0)
    Approximate.write(tmp_path, vectors)
    found = Approximate.load(tmp_path, vectors).search(vectors[:1], 5, probes=4)[0]
    assert [p for p, _ in found] == [p for p, _ in Flat(vectors).search(vectors[:1], 5)[0]]


def test_an_index_of_cells(tmp_path: Path, base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(f"A card fee number {i} for the bus." for i in range(40)))
    encoder = EncoderSettings(model=str(base("bert", "mean")), max_length=16)
    settings = IndexSettings(size=60, encoder=encoder)
    flat, _ = PassageIndex.build(tmp_path / "flat", [str(tmp_path / "a.txt")], settings)
    cells, _ = PassageIndex.build(tmp_path / "cells", [str(tmp_path / "a.txt")], settings.with_(engine="faiss"))
    assert not (flat.version / CELLS).exists()
    search = SearchSettings(retriever="dense", k=3)
    assert [p.id for p in cells.search(["the fee"], search)[0]] == [p.id for p in flat.search(["the fee"], search)[0]]
    (cells.version / CELLS).write_bytes(b"x" * (cells.version / CELLS).stat().st_size)
    with pytest.raises(TailorError, match="cannot be read"):
        PassageIndex(cells.folder)
