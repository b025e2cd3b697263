"""Blocks that do not learn are computed once: same scores, same losses, same weights as through the whole model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.models.disk import OnDisk
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.layers import blocks, dropouts
from tailorlm.models.resolve import resolve
from tailorlm.models.run import EmbeddingCache, EmbeddingView, label_scores
from tailorlm.models.trunk import Trunk, frozen_trunk
from tailorlm.models.worded import Worded
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.beside import Beside
from tailorlm.training.job import Job
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource, TrunkSource
from tailorlm.weights import weights
from tailorlm.weights.bias import Bias
from tailorlm.weights.top_layers import TopLayers
from tiny import ARCHITECTURES, labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)
TOP = {"bert": "2.attention.self.query", "gpt2": "2.attn.c_attn", "distilbert": "2.attention.q_lin"}


def model_of(folder: Path, pooling: str = "mean") -> TextModel:
    torch.manual_seed(3)
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    if pooling != "native":
        model.head = Linear.fresh(model.width, 3, dropout=0.0, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_every_architecture_starts_above_its_trunk_or_says_that_it_cannot(
    architecture: str, pooling: str, base: Base
) -> None:
    model = model_of(base(architecture, pooling), pooling)
    names = TopLayers(TopLayers.Settings(layers=1)).attach(model)
    before = [name for name, _ in model.named_parameters()]
    expected = label_scores(model, ROWS.texts)
    trunk = frozen_trunk(model, names)
    assert trunk is not None, "all of these can"
    assert trunk.boundary == 2
    view = EmbeddingView()
    source = TrunkSource(view.states(trunk, Readings(model.tokenize(ROWS.texts))))
    model.eval()
    assert np.abs(np.concatenate(source.all_scores()) - expected).max() < 1e-5
    assert [name for name, _ in model.named_parameters()] == before
    assert np.array_equal(label_scores(model, ROWS.texts), expected), "the model is as it was"


@pytest.mark.parametrize("architecture", TOP)
@pytest.mark.parametrize("part", ["top_layers", "lora"])
def test_the_losses_are_those_of_the_whole_model_with_its_dropout(architecture: str, part: str, base: Base) -> None:
    folder = base(architecture, "mean")
    settings = {"top_layers": {"layers": 1}, "lora": {"names": (TOP[architecture],), "dropout": 0.1}}[part]
    found = []
    for short in (False, True):
        model = model_of(folder)
        assert any(share > 0 for _, _, share in dropouts(model.body))
        names = weights.get(part)(weights.get(part).Settings(**settings)).attach(model)
        readings = Readings(model.tokenize(ROWS.texts))
        source: Any = TokenSource(model, readings)
        if short:
            trunk, view = frozen_trunk(model, names), EmbeddingView()
            assert trunk is not None
            source = TrunkSource(view.states(trunk, readings))
        lesson = LabelLesson(source, Labels(Labels.Settings()), ROWS.codes)
        trained = train(Job(lesson, names, ROWS.ids, TrainSettings(epochs=3, rows_per_step=4), 1e-3, 0))
        found.append((trained.losses, {name: p.detach().clone() for name, p in model.named_parameters()}))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert max(float((value - found[1][1][name]).abs().max()) for name, value in found[0][1].items()) < 1e-4


def _own(model: TextModel) -> Any:
    return model


@pytest.mark.parametrize(
    "around",
    [_own, lambda model: Beside(model, {}), lambda model: Worded(model, "masked")],
    ids=["own", "beside", "worded"],
)
def test_what_learns_has_dropout_and_what_is_frozen_below_has_none(
    around: Callable[[TextModel], Any], base: Base
) -> None:
    model = model_of(base())
    TopLayers(TopLayers.Settings(layers=1)).attach(model)
    module, stack = around(model), [block for _, block in blocks(model.body)]
    still = [model.body.embeddings.dropout, *stack[0].modules(), *stack[1].modules()]
    module.train()
    assert not any(inner.training for inner in still)
    assert all(inner.training for inner in stack[2].modules())
    assert module.training
    model.requires_grad_(True)
    module.train()
    assert all(inner.training for inner in module.modules())
    model.body.requires_grad_(False)
    module.train()
    assert not any(inner.training for inner in model.body.modules())


def test_states_are_computed_once_while_they_fit(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(base())
    trunk = frozen_trunk(model, TopLayers(TopLayers.Settings(layers=2)).attach(model))
    assert trunk is not None
    asked: list[int] = []
    real = Trunk.portions
    monkeypatch.setattr(Trunk, "portions", lambda self, some: (asked.append(len(some)), real(self, some))[1])
    cache, readings = EmbeddingCache(), Readings(model.tokenize(ROWS.texts))
    every = list(range(len(ROWS)))
    first = EmbeddingView(cache).states(trunk, readings).take(every)
    again = EmbeddingView(cache)
    assert all(np.array_equal(a, b) for a, b in zip(first, again.states(trunk, readings).take(every), strict=True))
    assert asked == [len(set(ROWS.texts))]
    assert again.spent == 0
    assert again.charge() > 0, "each way is charged for what it needs"
    none = EmbeddingView(EmbeddingCache(states_limit=0, disk=OnDisk(limit=0)))
    kept = none.states(trunk, readings)
    assert [len(state) for state in kept.take(every)] == readings.lengths
    kept.take([0, 1])
    assert asked[1:] == [len(set(ROWS.texts)), len(ROWS), 2]
    assert len(none.cache.known) == 0


def test_states_on_disk_are_those_in_memory_to_the_bit(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = model_of(base())
    trunk = frozen_trunk(model, TopLayers(TopLayers.Settings(layers=2)).attach(model))
    assert trunk is not None
    readings, every = Readings(model.tokenize(ROWS.texts)), list(range(len(ROWS)))
    held, disk = EmbeddingCache(), OnDisk()
    view = EmbeddingView(EmbeddingCache(states_limit=0, disk=disk))
    first = EmbeddingView(held).states(trunk, readings).take(every)
    there = view.states(trunk, readings)
    monkeypatch.setattr(Trunk, "portions", lambda *given: pytest.fail("computed twice"))
    for _ in range(2):
        assert all(np.array_equal(a, b) for a, b in zip(first, there.take(every), strict=True))
    assert len(disk) == len(set(ROWS.texts)) == len(held.arrays)
    assert disk.bytes == sum(array.nbytes for array in held.arrays.values())
    assert view.cache.arrays == {}
    assert view.charge() > 0
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [], "the file has no name"


def test_a_disk_that_fills_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disk, arrays = OnDisk(), {key: np.full((3, 2), n, np.float32) for n, key in enumerate("abc")}
    assert disk.add({"a": arrays["a"], "b": arrays["b"]})

    def full(*given: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert not disk.add({"c": arrays["c"]})
    assert not disk.add({"c": arrays["c"]}), "it is not tried again"
    assert list(disk) == ["a", "b"]
    assert np.array_equal(disk["b"], arrays["b"])
    assert "c" not in disk
    small = OnDisk(limit=30)
    assert small.add({"a": arrays["a"]})
    assert not small.add({"b": arrays["b"]})
    assert OnDisk(limit=0).add({"a": arrays["a"]}) is False


def test_no_trunk_where_the_lowest_block_or_the_embeddings_learn(base: Base) -> None:
    model = model_of(base())
    assert frozen_trunk(model, Bias(Bias.Settings()).attach(model)) is None
    assert frozen_trunk(model, TopLayers(TopLayers.Settings(layers=3)).attach(model)) is None
    assert frozen_trunk(model, ["head.weight"]) is None
