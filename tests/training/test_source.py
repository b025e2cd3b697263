"""Where scores come from: tokens through the whole model, or vectors computed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import vectors_of
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource, VectorSource
from tailorlm.weights.head import Head
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(14, 3)


def model_of(folder: Path) -> TextModel:
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling="mean")
    model.head = Linear.fresh(model.width, 3, dropout=0.0, generator=torch.Generator().manual_seed(1))
    return model


def test_token_source_scores_rows_by_index_with_gradients(base: Base) -> None:
    model = model_of(base("bert", "mean"))
    source = TokenSource(model, Readings(model.tokenize(ROWS.texts)))
    assert source.lengths == [len(row) for row in model.tokenize(ROWS.texts)]
    assert source.module is model
    with torch.no_grad():
        expected = torch.cat([model(*model.pad(model.tokenize([ROWS.texts[i]]))) for i in (5, 0, 9)])
    scores = source.scores([5, 0, 9])
    assert scores.requires_grad
    assert torch.allclose(scores, expected, atol=1e-6)


def test_a_head_on_vectors_learns_what_it_learns_on_tokens(base: Base) -> None:
    """The short cut of frozen bodies is exact: same steps, same head, to rounding."""
    folder = base("bert", "mean")
    slow, fast = model_of(folder), model_of(folder)
    names = Head(Head.Settings()).attach(slow)
    made = TrainSettings(epochs=3, rows_per_step=4)

    class Steps:
        def steps(self, epoch: int) -> list[list[int]]:
            return [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13]]

        def total(self, epochs: int) -> int:
            return 4 * epochs

    losses = []
    rows = Readings(slow.tokenize(ROWS.texts))
    for source in (TokenSource(slow, rows), VectorSource(fast, vectors_of(fast, rows))):
        lesson = LabelLesson(source, Labels(Labels.Settings()), ROWS.codes)
        losses.append(train(Job(lesson, names, ROWS.ids, made, 0.01, 0, Steps())).losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert torch.allclose(slow.head.weight, fast.head.weight, atol=1e-5)
    assert VectorSource(fast, vectors_of(fast, rows)).lengths == [1] * 14
