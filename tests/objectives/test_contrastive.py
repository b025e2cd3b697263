"""Pairs: how they are drawn, what their loss is, and that a stage of them before a classifier moves vectors as it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.objectives.contrastive import Contrastive
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.readings import Readings
from tailorlm.training.pairs import PairLesson
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(12, 3)
RATES = {"full": 0.003}


def contrastive(**settings: Any) -> Contrastive:
    return Contrastive(Contrastive.Settings(**settings))


def test_each_row_begins_pairs_of_both_kinds() -> None:
    codes = np.array([0, 0, 1, 1, 1, 2])
    pairs, alike = contrastive(pairs=4).draw(codes, 0)
    first, second = pairs.T
    assert np.array_equal(codes[first] == codes[second], alike)
    assert (first != second).all()
    for row in range(6):
        assert (alike[first == row]).sum() == (4 if row != 5 else 0), "row 5 has no other of its label"
        assert (~alike[first == row]).sum() == 4
    again, other = (contrastive(pairs=4).draw(codes, seed)[0] for seed in (0, 1))
    assert np.array_equal(again, pairs)
    assert not np.array_equal(other, pairs)
    with pytest.raises(UsageError, match="two labels or more"):
        contrastive().draw(np.zeros(4, np.int64), 0)


def test_the_loss_by_hand() -> None:
    first, second = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    losses = contrastive().losses(first, second, torch.tensor([1.0, 0.0]))
    assert losses.tolist() == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_a_pair_has_the_same_loss_in_any_company(pooling: str, base: Base) -> None:
    model = load_model(resolve(str(base("bert"))), labels=ROWS.labels, pooling=pooling)
    lesson = PairLesson(model, Readings(model.tokenize(ROWS.texts)), ROWS.codes, contrastive(pairs=2), 0)
    assert len(lesson.lengths) == len(lesson.counts) == len(lesson.pairs) == 12 * 4
    with torch.no_grad():
        together = lesson.losses(range(48))
        alone = torch.cat([lesson.losses([i]) for i in range(48)])
    assert torch.allclose(together, alone, atol=1e-5)
    vectors = embed(model, ROWS.texts)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    a, b = lesson.pairs.T
    expected = ((unit[a] * unit[b]).sum(1) - lesson.alike.numpy()) ** 2
    assert np.abs(together.numpy() - expected).max() < 1e-5
    assert lesson.names(ROWS.ids)[0] == f"{ROWS.ids[a[0]]} and {ROWS.ids[b[0]]}"


def recipe(base: Base, weights: str = "full", **changes: Any) -> Recipe:
    train = {"epochs": 2, "rows_per_step": 12, "warmup": 0}
    stages = [
        {"weights": {"part": weights, "lr": RATES.get(weights, 0.02)}, "objective": "contrastive", "train": train},
        {"weights": "features"},
    ]
    return validate({"name": "x", "base": str(base("bert")), "pooling": "mean", "stages": stages} | changes, Recipe)


@pytest.mark.parametrize("weights", ["full", "lora", "adapter", "bias"])
def test_like_rows_come_together_and_the_folder_answers_the_same(weights: str, base: Base, tmp_path: Path) -> None:
    def apart(vectors: np.ndarray) -> float:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        likeness, same = unit @ unit.T, ROWS.codes[:, None] == ROWS.codes
        return float(likeness[same & ~np.eye(12, dtype=bool)].mean() - likeness[~same].mean())

    made = fit(recipe(base, weights), ROWS)
    before = embed(load_model(resolve(str(base("bert"))), labels=[], pooling="mean"), ROWS.texts)
    after = embed(made.adaptation.model, ROWS.texts)
    assert not np.array_equal(after, before)
    if weights in ("full", "lora"):  # the small ones move a random body little in forty steps
        assert apart(after) > apart(before) + 0.02
    scores = made.adaptation.scores(ROWS.texts)
    assert np.array_equal(Adaptation.load(made.adaptation.save(tmp_path / "a")).scores(ROWS.texts), scores)
    assert len(made.trained[0].losses) == 2 * 20


def test_what_cannot_be(base: Base) -> None:
    with pytest.raises(TailorError, match="the head alone learns"):
        fit(recipe(base, "head"), ROWS)
    with pytest.raises(UsageError, match="learns no answers, and nothing else gives them"):
        validate(recipe(base).plain() | {"stages": recipe(base).plain()["stages"][:1]}, Recipe)


def test_the_method_searches_the_rate_of_its_first_stage() -> None:
    made = preset("contrastive").recipe("c", "starter", {"part": "classify"})
    assert [stage.weights.name for stage in made.stages] == ["full", "features"]
    assert made.grid == {"stages.0.weights.lr": [2e-5, 5e-5, 1.5e-4]}
