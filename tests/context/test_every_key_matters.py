"""Every key of the context's settings changes something that can be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.context.choosers import choosers
from tailorlm.context.index import IndexSettings, Passage, PassageIndex
from tailorlm.context.prompt import PromptSettings, assemble
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.context.retrieval.text_index import Asked, TextIndex
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings

Base = Callable[..., Path]
TEXTS = [
    "a card fee",
    "the card",
    "card card card money",
    "soup",
    "a fee for the bus and the train and the plane",
    "fee fee",
]
# Each text's direction; the query lies at 0 degrees.
ANGLES = np.radians([50, 10, 20, 0, 12, 80])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1).astype(np.float32)


def seen(**settings: Any) -> list[tuple[int, float]]:
    index = TextIndex.of(TEXTS, VECTORS)
    asked = Asked(["card fee"], np.array([[1, 0]], np.float32))
    return [(hit.position, hit.score) for hit in index.search(asked, SearchSettings(**settings), TEXTS.__getitem__)[0]]


SEARCH = {
    "retriever": {"retriever": "bm25"},
    "k": {"k": 2},
    "depth": {"depth": 3, "k": 3},
    "constant": {"constant": 1},
    "bm25_weight": {"bm25_weight": 9},
    "dense_weight": {"dense_weight": 9},
    "variety": {"variety": 0.9},
}


def test_search(monkeypatch: pytest.MonkeyPatch) -> None:
    # These three: test_cross_encoder, test_approximate.
    assert set(SEARCH) | {"rerank", "rerank_depth", "probes"} == set(SearchSettings.model_fields)
    for name, changes in SEARCH.items():
        without = {key: value for key, value in changes.items() if key != name}
        assert seen(**changes) != seen(**without), name


def test_encoder(base: Base) -> None:
    usual = EncoderSettings(model=str(base("bert", "mean")), max_length=16)
    changed: dict[str, Any] = {
        "model": str(base("bert", "mean", seed=1)),
        "pooling": "cls",
        "max_length": 8,
        "query_prefix": "card",
        "text_prefix": "card ",
    }
    assert set(changed) == set(EncoderSettings.model_fields)
    texts = ["the card and the fee and the plane and the train"]
    for name, value in changed.items():
        one, two = Encoder(usual), Encoder(usual.with_(**{name: value}))
        assert one.fingerprint != two.fingerprint, name
        assert np.allclose(one.texts(texts), two.texts(texts)) == (name == "query_prefix"), name
        assert np.allclose(one.queries(texts), two.queries(texts)) == (name == "text_prefix"), name


def test_index(tmp_path: Path, base: Base) -> None:
    changed: dict[str, Any] = {
        "size": 60,
        "overlap": 0,
        "headings": False,
        "encoder": None,
        "store": "float16",
        "k1": 0.1,
        "b": 0.0,
    }
    assert set(changed) | {"engine"} == set(IndexSettings.model_fields)  # this one: test_approximate
    (tmp_path / "a.md").write_text("# Fees\n\n" + "The card fee is due. A card. The bus is late in May. " * 6)
    usual = IndexSettings(size=100, encoder=EncoderSettings(model=str(base("bert", "mean")), max_length=16))

    def made(name: str, settings: IndexSettings) -> Any:
        index, _ = PassageIndex.build(tmp_path / name, [str(tmp_path / "a.md")], settings)
        vectors = index.texts.vectors
        scores = index.texts.bm25.scores("the card fees").tolist()
        return (
            len(index),
            [index.searched_text(i) for i in range(len(index))],
            scores,
            vectors if vectors is None else vectors.dtype,
        )

    before = made("usual", usual)
    for name, value in changed.items():
        assert made(name, usual.with_(**{name: value})) != before, name


def test_prompt() -> None:
    changed: dict[str, Any] = {
        "query": "Question: {}",
        "examples": "text",
        "system": False,
        "cite": "",
        "passages": "Sources:",
        "input": "Q:",
        "output": "A:",
    }
    assert set(changed) == set(PromptSettings.model_fields)
    passage = Passage("a#1", "a", "", 0, 4, "text")
    rows = [Example("1", "far", "A")]
    for name, value in changed.items():
        usual = PromptSettings(examples="text") if name in ("input", "output") else PromptSettings()
        one, two = (
            assemble("Q", instruction="Do.", examples=rows, passages=[passage], settings=s)
            for s in (usual, usual.with_(**{name: value}))
        )
        assert one != two, name


def test_choosers() -> None:
    rows = tuple(Example(f"r{i}", text, "x", "ababba"[i]) for i, text in enumerate(TEXTS))

    class Still:
        def queries(self, texts: Any) -> np.ndarray:
            return np.array([[1, 0]] * len(texts), np.float32)

    store = ExampleStore(rows, TextIndex.of(TEXTS, VECTORS), StoreSettings(), Still(), None)  # type: ignore[arg-type]
    changed: dict[str, dict[str, Any]] = {
        "random": {"k": 1, "seed": 5},
        "balanced": {"k": 1, "seed": 5},
        "diverse": {"k": 1, "by": "centre", "seed": 5},
        "nearest": {"k": 1, "retriever": "bm25", "variety": 0.9, "balance": True, "pool": 3},
    }
    assert set(changed) == set(choosers)
    usual = {"nearest": {"k": 3, "retriever": "dense"}}
    for name, keys in changed.items():
        part = choosers.get(name)
        assert set(keys) == set(part.Settings.model_fields)
        for key, value in keys.items():
            if (name, key) == ("diverse", "seed"):
                continue  # decides which 2,000 of more rows are looked at
            own = usual.get(name, {"k": 3}) | ({"balance": True} if key == "pool" else {})
            one, two = (
                part(part.Settings(**(own | more))).order(store, [Query("card fee")]) for more in ({}, {key: value})
            )
            assert one != two, (name, key)
