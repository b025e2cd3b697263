"""Re-ranking: the cross-encoder's scores are transformers' own, and what it did not read stays below."""

from __future__ import annotations

from pathlib import Path

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


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match=r"is no cross-encoder[\s\S]*one output"):
        load_cross_encoder(resolve(str(tiny_bert(tmp_path / "plain"))))
    with pytest.raises(TailorError, match=r"is no cross-encoder[\s\S]*5 labels"):
        load_cross_encoder(resolve(str(cross_encoder(tmp_path / "five", 5))))
    with pytest.raises(TailorError, match="there is no model"):
        Reranker.load(str(tmp_path / "nowhere"))
