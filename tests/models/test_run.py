"""Many texts through a model: order, repeats, batches, and the account of who paid for which vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.models import run
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import BUDGET, EmbeddingCache, EmbeddingView, batches, embed, label_scores
from tiny import WIDTH, labelled

Base = Callable[..., Path]
TEXTS = list(labelled(20, 5).texts)


@pytest.fixture
def model(base: Base) -> TextModel:
    return load_model(resolve(str(base("bert", "mean"))), labels=("a", "b"))


def counted(model: TextModel) -> list[int]:
    """Rows of each forward pass from now on."""
    embed(model, TEXTS)  # what is tried once for each body is tried
    rows: list[int] = []

    def count(_: object, __: object, given: dict[str, Any], output: Any) -> None:
        rows.append(len(given.get("row_lengths", output.last_hidden_state)))

    model.body.register_forward_hook(count, with_kwargs=True)
    return rows


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    parts = list(batches(lengths, budget))
    assert sorted(i for part in parts for i in part) == list(range(len(lengths)))
    for part in parts:
        assert len(part) * max(lengths[i] for i in part) <= budget or len(part) == 1
    order = [lengths[i] for part in parts for i in part]
    assert order == sorted(order)


def test_vectors_come_in_the_callers_order(model: TextModel) -> None:
    vectors = embed(model, TEXTS)
    assert vectors.shape == (20, WIDTH)
    assert vectors.dtype == np.float32
    for i in (0, 3, 19):
        assert np.abs(embed(model, [TEXTS[i]])[0] - vectors[i]).max() <= 1e-5
    order = np.random.default_rng(0).permutation(20)
    assert np.abs(embed(model, [TEXTS[i] for i in order]) - vectors[order]).max() <= 1e-5


def test_equal_texts_are_computed_once(model: TextModel) -> None:
    rows = counted(model)
    vectors = embed(model, [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[0]])
    assert sum(rows) == 2
    assert np.array_equal(vectors[0], vectors[2])
    assert np.array_equal(vectors[0], vectors[3])
    assert not np.array_equal(vectors[0], vectors[1])


def test_many_texts_go_in_small_batches(model: TextModel) -> None:
    rows = counted(model)
    model.head = Linear.fresh(WIDTH, 2)
    texts = [
        f"{text} {word}"
        for text in TEXTS
        for word in ["money", "bank", "fee", "loan", "salary", "tax", "price", "rate"]
    ]
    scores = label_scores(model, texts)
    assert scores.shape == (160, 2)
    assert sum(rows) == 160
    assert len(rows) > 1
    longest = max(len(row) for row in model.tokenize(texts))
    assert max(rows) * longest < 2 * BUDGET


def test_a_model_in_training_is_at_rest_meanwhile(model: TextModel) -> None:
    expected = embed(model, TEXTS)
    model.train()
    assert np.array_equal(embed(model, TEXTS), expected), "no dropout"
    assert model.training, "and goes on afterwards"


# ---- who paid


def view_of(cache: EmbeddingCache | None = None) -> EmbeddingView:
    return EmbeddingView(cache or EmbeddingCache())


def test_a_view_gives_what_embed_gives(model: TextModel) -> None:
    view = view_of()
    taken = view.take(model, [*TEXTS, TEXTS[0]])
    assert taken.shape == (21, WIDTH)
    assert np.array_equal(taken[:20], embed(model, TEXTS))
    assert np.array_equal(taken[20], taken[0])
    assert view.take(model, []).shape == (0, WIDTH)
    assert len(view.needed) == 20


def test_shared_vectors_are_computed_once_and_charged_to_each(
    model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(float(second) for second in range(0, 1000, 10))
    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    rows = counted(model)
    cache = EmbeddingCache()
    first, second, third = view_of(cache), view_of(cache), view_of(cache)
    first.take(model, TEXTS[:10])  # ten seconds, one for each vector
    assert sum(rows) == 10
    assert first.spent == 10.0
    assert first.charge() == pytest.approx(10.0)
    second.take(model, TEXTS[5:15])  # five of its ten are there: ten seconds for the other five
    assert sum(rows) == 15
    assert second.spent == 10.0
    assert second.charge() == pytest.approx(5 * 1.0 + 5 * 2.0), "charged for all it needed, whoever computed them"
    third.take(model, TEXTS[:5])
    third.take(model, TEXTS[:5])
    assert sum(rows) == 15
    assert third.spent == 0.0
    assert third.charge() == pytest.approx(5.0)
    assert first.charge(second) == pytest.approx(10.0 + 10.0), "each vector counts once"
    assert first.charge(first) == first.charge()
    assert third.charge(first) == pytest.approx(10.0)
    assert view_of(cache).charge() == 0


def test_vectors_of_other_models_and_settings_are_kept_apart(base: Base) -> None:
    cache = EmbeddingCache()
    made = []
    for folder, pooling, length in (
        ("bert", "mean", 64),
        ("bert", "cls", 64),
        ("bert", "mean", 8),
        ("distilbert", "mean", 64),
    ):
        model = load_model(resolve(str(base(folder, "mean"))), labels=("a", "b"), pooling=pooling, max_length=length)
        made.append(view_of(cache).take(model, ["money bank fee loan salary tax price rate card"]))
        assert np.array_equal(made[-1], embed(model, ["money bank fee loan salary tax price rate card"]))
    assert len(cache.arrays) == 4
    assert all(not np.array_equal(a, b) for i, a in enumerate(made) for b in made[:i])


def test_surrogates_do_not_stop_it(model: TextModel) -> None:
    assert np.isfinite(view_of().take(model, ["a\ud800b"])).all()
    assert np.array_equal(embed(model, ["a \ud800 b", "日本語 😀"]), embed(model, ["a \ufffd b", "日本語 😀"]))
