"""Re-ranking: the cross-encoder's scores are transformers' own, and what it did not read stays below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.context.retrieval.rerank import Reranker
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.retrieval.text_index import Asked, TextIndex
from tailorlm.core.errors import TailorError
from tailorlm.models.cross_encoder import load_cross_encoder
from tailorlm.models.resolve import resolve
from tiny import HEADS, INNER, LAYERS, POSITIONS, WIDTH, tiny_bert, tokenizer

TEXTS = [
    "the flight is at the gate",
    "a card fee",
    "soup and bread",
    "the card payment and the card fee",
    "a long walk",
]


def cross_encoder(folder: Path, labels: int) -> Path:
    from transformers import BertConfig, BertForSequenceClassification

    made = tokenizer("bert")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(made),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=POSITIONS,
        num_labels=labels,
        initializer_range=0.3,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("labels", [1, 2])
def test_scores_are_transformers_own_one_by_one(labels: int, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = cross_encoder(tmp_path / "cross", labels)
    model, words = (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    expected = []
    for text in TEXTS:
        with torch.inference_mode():
            logits = model(**words("the card fee", text, return_tensors="pt")).logits[0]
        expected.append(float(logits[-1] - (logits[0] if labels == 2 else 0)))
    scores = load_cross_encoder(resolve(str(folder))).scores([("the card fee", text) for text in TEXTS])
    assert np.allclose(scores, expected, atol=1e-5)
    assert len(set(np.round(scores, 4))) == 5
    assert load_cross_encoder(resolve(str(folder))).scores([]).shape == (0,)
    long = load_cross_encoder(resolve(str(folder))).scores([("card " * 500, "fee " * 500)])
    assert np.isfinite(long).all()


def test_the_first_are_put_in_order_again(tmp_path: Path) -> None:
    folder = cross_encoder(tmp_path / "cross", 1)
    index = TextIndex.of(TEXTS)
    plain = index.search(Asked(["the card fee a"]), SearchSettings(k=4), TEXTS.__getitem__)[0]
    assert len(plain) == 4
    search = SearchSettings(k=4, rerank=str(folder), rerank_depth=3)
    again = index.search(Asked(["the card fee a"]), search, TEXTS.__getitem__)[0]
    model = Reranker.load(str(folder)).model
    scores = dict(zip(range(5), model.scores([("the card fee a", text) for text in TEXTS]), strict=True))
    first = sorted((hit.position for hit in plain[:3]), key=lambda i: -scores[i])
    assert [hit.position for hit in again] == [*first, plain[3].position]
    for rank, hit in enumerate(again[:3], 1):
        assert hit.by["rerank"] == (rank, pytest.approx(scores[hit.position], abs=1e-5))
        assert hit.by["bm25"] == next(one.by["bm25"] for one in plain if one.position == hit.position)
    assert "rerank" not in again[3].by
    fewer = index.search(Asked(["the card fee a"]), search.with_(rerank_depth=1), TEXTS.__getitem__)[0]
    assert [hit.position for hit in fewer] == [hit.position for hit in plain]


# Two near copies, which are judged best, and three others; the third and the last lie nearest to the query.
CARDS = ["card a", "card b", "card bus", "card card soup", "card card card"]
ANGLES = np.radians([50, 51, 10, 80, 5])
JUDGED = {"card a": 9.0, "card b": 8.5, "card bus": 4.0, "card card soup": 3.0, "card card card": -3.0}


class Judge:
    """A cross-encoder of the test: scores by the text alone."""

    def scores(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array([JUDGED[text] for _, text in pairs], np.float32)


def varied(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[str]:
    """What was found for a query that lies at 0 degrees."""
    monkeypatch.setattr(Reranker, "load", staticmethod(lambda name: Reranker(Judge())))  # type: ignore[arg-type]
    index = TextIndex.of(CARDS, np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1).astype(np.float32))
    asked = Asked(["card"], np.array([[1, 0]], np.float32))
    found = index.search(asked, SearchSettings(retriever="dense", **settings), CARDS.__getitem__)[0]
    return [CARDS[hit.position] for hit in found]


def test_variety_goes_by_the_scores_of_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert varied(monkeypatch, k=3, rerank="x") == ["card a", "card b", "card bus"]
    # By hand, of scores 1, 0.958, 0.583, 0.5, 0 and half the weight on unlikeness: the copy has 0.479 - 0.5 * cos(1) = -0.021,
    # the bus 0.292 - 0.5 * cos(40) = -0.091, the soup 0.25 - 0.5 * cos(30) = -0.183; with more weight the bus comes before the copy.
    assert varied(monkeypatch, k=2, rerank="x", variety=0.5) == ["card a", "card b"]
    assert varied(monkeypatch, k=2, rerank="x", variety=0.7) == ["card a", "card bus"]
    assert varied(monkeypatch, k=2, variety=0.7)[0] == "card card card", "without it, what is nearest"


def test_variety_leaves_alone_what_was_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = varied(monkeypatch, k=5)
    read = plain[:3]
    first = sorted(read, key=lambda text: -JUDGED[text])
    for k in range(1, 6):
        found = varied(monkeypatch, k=k, rerank="x", rerank_depth=3, variety=0.9)
        assert found[0] == first[0]
        assert set(found[:3]) <= set(read)
        assert found[3:] == plain[3:k]
    assert varied(monkeypatch, k=3, rerank="x", rerank_depth=1, variety=0.9) == plain[:3]


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match=r"is no cross-encoder[\s\S]*one output"):
        load_cross_encoder(resolve(str(tiny_bert(tmp_path / "plain"))))
    with pytest.raises(TailorError, match=r"is no cross-encoder[\s\S]*5 labels"):
        load_cross_encoder(resolve(str(cross_encoder(tmp_path / "five", 5))))
    with pytest.raises(TailorError, match="there is no model"):
        Reranker.load(str(tmp_path / "nowhere"))
