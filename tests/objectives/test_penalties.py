"""Penalties against formulas of their own on small arrays, and what they hold back in a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError
from tailorlm.objectives.penalties import penalties
from tailorlm.objectives.penalties.ewc import EWC, diagonal_fisher
from tailorlm.objectives.penalties.l2_sp import L2SP
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)


@dataclass
class Small:
    """A scene of plain tensors: a softmax regression whose rows are the old ones."""

    learning: dict[str, nn.Parameter]
    head: frozenset[str]
    rows: np.ndarray
    codes: np.ndarray

    def old(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in zip(self.rows[:count], self.codes[:count], strict=True):
            yield torch.from_numpy(x)[None] @ self.learning["body"].T, torch.tensor([int(y)])


def small() -> Small:
    random = np.random.default_rng(0)
    learning = {
        "body": nn.Parameter(torch.from_numpy(random.normal(size=(3, 4)))),
        "head.w": nn.Parameter(torch.ones(2)),
    }
    return Small(learning, frozenset({"head.w"}), random.normal(size=(40, 4)), random.integers(0, 3, 40))


def test_the_table() -> None:
    assert list(penalties) == ["l2_sp", "ewc", "rehearsal", "forgetting_limit"]


def test_l2_sp_by_its_formula() -> None:
    scene = small()
    start = scene.learning["body"].detach().numpy().copy()
    term = L2SP(L2SP.Settings(strength=0.3, head=0.5)).begin(scene)
    assert float(term()) == pytest.approx(0.5 / 2 * 2)
    with torch.no_grad():
        scene.learning["body"].add_(torch.arange(12.0).reshape(3, 4))
        scene.learning["head.w"].copy_(torch.tensor([2.0, -1.0]))
    moved = scene.learning["body"].detach().numpy()
    assert float(term().detach()) == pytest.approx(0.15 * ((moved - start) ** 2).sum() + 0.25 * 5)
    term().backward()
    assert np.allclose(scene.learning["body"].grad, 0.3 * (moved - start))
    assert scene.learning["head.w"].grad.tolist() == pytest.approx([1.0, -0.5])


def exact(scene: Small) -> np.ndarray:
    """The diagonal Fisher information of softmax regression, summed over all answers rather than drawn."""
    weights = scene.learning["body"].detach().numpy()
    total = np.zeros_like(weights)
    for x in scene.rows:
        powers = np.exp(weights @ x)
        share = powers / powers.sum()
        for answer in range(3):
            gradient = np.outer((np.arange(3) == answer) - share, x)
            total += share[answer] * gradient**2
    return total / len(scene.rows)


def test_the_empirical_fisher_by_its_formula() -> None:
    scene = small()
    weights = scene.learning["body"].detach().numpy()
    expected = np.zeros_like(weights)
    for x, y in zip(scene.rows, scene.codes, strict=True):
        powers = np.exp(weights @ x)
        expected += np.outer((np.arange(3) == y) - powers / powers.sum(), x) ** 2
    found = diagonal_fisher(scene.old("", 40), {"body": scene.learning["body"]}, drawn=False)
    assert np.allclose(found["body"], expected / 40)


def test_drawn_answers_come_to_the_fisher_information() -> None:
    scene = small()
    many = (row for _ in range(60) for row in scene.old("", 40))
    found = diagonal_fisher(many, {"body": scene.learning["body"]}, drawn=True)["body"].numpy()
    assert np.abs(found / exact(scene) - 1).max() < 0.15


def test_ewc_by_its_formula() -> None:
    scene = small()
    start = scene.learning["body"].detach().numpy().copy()
    term = EWC(EWC.Settings(strength=10, rows="old.csv", count=40, labels="given")).begin(scene)
    assert float(term()) == 0
    weight = diagonal_fisher(scene.old("", 40), {"body": scene.learning["body"]}, drawn=False)["body"].numpy()
    with torch.no_grad():
        scene.learning["body"].add_(0.5)
    assert float(term().detach()) == pytest.approx(5 * (weight * 0.25).sum())
    assert scene.learning["body"].detach().numpy() == pytest.approx(start + 0.5)


def test_rows_that_a_weight_does_not_matter_to_leave_it_free() -> None:
    scene = small()
    found = diagonal_fisher(scene.old("", 5), scene.learning, drawn=True)
    assert not found["head.w"].any()
    assert not diagonal_fisher([], scene.learning, drawn=True)["body"].any()


# ---- in a fit


def recipe(base: Base, penalty: Any, **stage: Any) -> Recipe:
    given = {"weights": {"part": "full", "lr": 0.01}, "train": {"epochs": 3, "rows_per_step": 6, "warmup": 0}} | stage
    return validate({"name": "x", "base": str(base()), "stages": [given | {"penalties": penalty}]}, Recipe)


def distance(made: Recipe) -> float:
    from tailorlm.models.encoder import load_model
    from tailorlm.models.resolve import resolve

    fitted = fit(made, ROWS).adaptation.model.body
    before = dict(load_model(resolve(made.base), labels=[], pooling="mean").body.named_parameters())
    return float(sum((p - before[n]).square().sum() for n, p in fitted.named_parameters()))


def old_rows(folder: Path, count: int = 12) -> str:
    old = labelled(count, 2, start=50)
    path = folder / "old.csv"
    lines = [f"{text},{label}" for text, label in zip(old.texts, old.gold, strict=True)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_more_pull_moves_less(base: Base, tmp_path: Path) -> None:
    # Plain steps: Adam's are as long as the rate allows whatever pulls, so that few of them show little.
    plain = {"epochs": 3, "rows_per_step": 6, "warmup": 0, "weight_decay": 0, "clip": 1e6, "optimiser": "sgd"}
    own: dict[str, Any] = {"train": plain, "weights": {"part": "full", "lr": 0.003}}
    ewc = {"part": "ewc", "rows": old_rows(tmp_path)}
    free = distance(recipe(base, [], **own))
    for penalty, strengths in (({"part": "l2_sp"}, (1.0, 30.0)), (ewc, (3.0, 100.0))):
        held = [distance(recipe(base, [penalty | {"strength": s}], **own)) for s in strengths]
        assert free > held[0] > held[1], penalty["part"]


def test_both_together_over_lora_and_native(base: Base, tmp_path: Path) -> None:
    both = [{"part": "ewc", "rows": old_rows(tmp_path)}, "l2_sp"]
    for weights in ("lora", "top_layers"):
        for pooling in ("mean", "native"):
            made = recipe(base, both, weights=weights).changed({"pooling": pooling})
            assert np.isfinite(fit(made, ROWS).adaptation.scores(ROWS.texts)).all()


def test_what_is_missing_is_said(base: Base, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no old rows"):
        fit(recipe(base, ["ewc"]), ROWS)
    with pytest.raises(UsageError, match="ewc holds nothing where the head alone learns"):
        fit(recipe(base, [{"part": "ewc", "rows": old_rows(tmp_path)}], weights="head"), ROWS)
    with pytest.raises(Exception, match=r"nowhere\.csv"):
        fit(recipe(base, [{"part": "ewc", "rows": str(tmp_path / "nowhere.csv")}]), ROWS)
