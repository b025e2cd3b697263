"""Distances between domains against formulas of their own on small arrays, and the lesson that adds them to a task."""

from __future__ import annotations

import itertools
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
from tailorlm.objectives.domain_distance import DomainDistance, coral, mmd
from tailorlm.objectives.labels import Labels
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.readings import Readings
from tailorlm.training.domains import DomainLesson, _Reversed, _told_apart
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)


def samples(seed: int = 0, n: int = 5, m: int = 7, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(n, 3)), random.normal(size=(m, 3)) * 1.5 + shift


def mmd_by_loops(one: np.ndarray, other: np.ndarray) -> float:
    """The definition, one pair of rows at a time."""
    both = [*one, *other]
    apart = sorted(sum((a - b) ** 2) for (i, a), (j, b) in itertools.product(enumerate(both), repeat=2) if i != j)
    median = apart[(len(apart) - 1) // 2]  # as torch takes it: the lower of two middles

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return sum(np.exp(-sum((a - b) ** 2) / (f * median)) for f in (0.25, 0.5, 1, 2, 4)) / 5

    def mean(first: Any, second: Any) -> float:
        return sum(kernel(a, b) for a in first for b in second) / (len(first) * len(second))

    return mean(one, one) + mean(other, other) - 2 * mean(one, other)


@pytest.mark.parametrize("seed", range(3))
def test_mmd_by_its_definition(seed: int) -> None:
    one, other = samples(seed)
    assert float(mmd(torch.from_numpy(one), torch.from_numpy(other))) == pytest.approx(
        mmd_by_loops(one, other), rel=1e-9
    )


def test_mmd_knows_equal_samples_and_grows_with_the_shift() -> None:
    one = torch.from_numpy(samples()[0])
    assert float(mmd(one, one)) == pytest.approx(0, abs=1e-12)
    near, far = (float(mmd(one, one + shift)) for shift in (0.3, 3.0))
    assert 0 < near < far
    assert float(mmd(one * 1000, (one + 0.3) * 1000)) == pytest.approx(near), "the median makes it free of scale"
    same = torch.ones(4, 3)
    assert float(mmd(same, same)) == 0, "rows that are all alike have no median distance"


def test_mmd_has_gradients_that_draw_together() -> None:
    one, other = (torch.from_numpy(x).requires_grad_(True) for x in samples(1, shift=2.0))
    before = mmd(one, other)
    before.backward()
    with torch.no_grad():
        assert float(mmd(one - 5 * one.grad, other - 5 * other.grad)) < float(before)


def test_coral_by_its_definition() -> None:
    one, other = samples(2)
    difference = np.cov(one, rowvar=False) - np.cov(other, rowvar=False)
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * 3**2)
    assert float(coral(torch.from_numpy(one), torch.from_numpy(other))) == pytest.approx(expected, rel=1e-9)


def test_the_gradient_is_reversed_and_scaled() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    out = _Reversed.apply(x, 0.3)
    assert torch.equal(out, x)
    (out * torch.tensor([5.0, 7.0])).sum().backward()
    assert torch.allclose(x.grad, -0.3 * torch.tensor([5.0, 7.0]))


def test_the_strength_rises() -> None:
    part = DomainDistance(DomainDistance.Settings(strength=2.0, rise=4))
    assert [part.weight(epoch) for epoch in (0, 1, 4, 9)] == [0, 0.5, 2, 2]
    assert DomainDistance(DomainDistance.Settings(strength=2.0)).weight(0) == 2


# ---- the lesson


def lesson(base: Base, rows: int = 6, **settings: Any) -> DomainLesson:
    model = load_model(resolve(str(base())), labels=ROWS.labels)
    from tailorlm.models.heads import Linear

    model.head = Linear.fresh(model.width, 3, generator=torch.Generator().manual_seed(0))
    model.eval()
    part = DomainDistance(validate(settings, DomainDistance.Settings))
    source, other = Readings(model.tokenize(ROWS.texts)), Readings(model.tokenize(labelled(8, 2, start=50).texts))
    return DomainLesson(model, source, list(ROWS.codes), other, part, kind="one", rows=rows, seed=3)


def test_a_draw_is_the_tasks_loss_and_the_distance(base: Base) -> None:
    made = lesson(base, strength=0.7)
    assert len(made.draws) == 3
    assert made.counts == [6, 6, 6]
    assert sorted(i for draw in made.draws for i in draw) == list(range(18)), "each row once a pass"
    assert [len(drawn) for drawn in made.drawn] == [6, 6, 6]
    assert {i for drawn in made.drawn for i in drawn} == set(range(8)), (
        "every text of the target before any comes twice"
    )
    near = torch.from_numpy(embed(made.model, [ROWS.texts[i] for i in made.draws[1]]))
    texts = labelled(8, 2, start=50).texts
    far = torch.from_numpy(embed(made.model, [texts[i] for i in made.drawn[1]]))
    labels = Labels(Labels.Settings()).losses(
        made.model.head(near), torch.tensor([ROWS.codes[i] for i in made.draws[1]])
    )
    expected = float((labels.sum() + 6 * 0.7 * mmd(near, far)).detach())
    assert float(made.losses([1])) == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(made.losses([0, 1, 2]), torch.cat([made.losses([i]) for i in range(3)]))


def test_a_pass_counts_the_tokens_of_all_rows_once(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    made, counted = lesson(base), []
    real = Readings.lengths
    monkeypatch.setattr(Readings, "lengths", property(lambda self: (counted.append(self), real.fget(self))[1]))
    made.begin(1)
    assert counted == [made.source, made.target]
    assert sum(made.lengths) == sum(
        len(side.tokens[i])
        for side, draws in ((made.source, made.draws), (made.target, made.drawn))
        for i in itertools.chain(*draws)
    )


def test_draws_differ_by_pass_and_repeat_by_seed(base: Base) -> None:
    one, other = lesson(base), lesson(base)
    assert one.fingerprint == other.fingerprint
    assert one.draws == other.draws
    first = one.draws
    one.begin(1)
    assert one.draws != first
    assert len(one.draws) == len(first)
    one.begin(0)
    assert one.draws == first


def test_a_classifier_of_domains_learns_what_the_body_unlearns(base: Base) -> None:
    made = lesson(base, kind="adversarial", strength=0.5)
    assert made.made == ["tells.0.weight", "tells.0.bias", "tells.2.weight", "tells.2.bias"]
    names = {name for name, _ in made.module.named_parameters()}
    assert {name for name, _ in made.model.named_parameters()} < names, "the body goes by other names"
    near = made.model.vectors(**made.model.batch(made.source.select([0, 1]))).detach().requires_grad_(True)
    far = made.model.vectors(**made.model.batch(made.target.select([0, 1]))).detach().requires_grad_(True)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(
        made.tells(torch.cat([near, far]))[:, 0], torch.tensor([0.0, 0.0, 1.0, 1.0])
    )
    slopes = torch.autograd.grad(plain, [near, *made.tells.parameters()])
    found = torch.autograd.grad(_told_apart(made.tells, near, far, 0.5), [near, *made.tells.parameters()])
    assert torch.allclose(found[0], -0.5 * slopes[0])
    assert all(torch.allclose(a, b) for a, b in zip(found[1:], slopes[1:], strict=True))


# ---- in a fit


def recipe(base: Base, target: Path, weights: Any = "full", **objective: Any) -> Recipe:
    stage = {
        "weights": {"part": weights, "lr": 0.003},
        "objective": {"part": "domain_distance", "text": str(target), **objective},
        "train": {"epochs": 3, "rows_per_step": 6, "warmup": 0},
    }
    return validate({"name": "x", "base": str(base()), "stages": [stage]}, Recipe)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target.csv"
    path.write_text("\n".join(["text", *labelled(20, 2, start=70).texts]) + "\n")
    return path


@pytest.mark.parametrize("kind", ["mmd", "coral", "adversarial"])
@pytest.mark.parametrize("weights", ["full", "adapter"])
def test_every_kind_is_fitted_and_kept(kind: str, weights: str, base: Base, target: Path, tmp_path: Path) -> None:
    from tailorlm.recipes.adaptation import Adaptation

    fitted = fit(recipe(base, target, weights, kind=kind), ROWS, ROWS)
    assert len(fitted.trained[0].losses) == 9
    assert fitted.trained[0].hardest(5) == []
    assert fitted.score is not None
    assert not any("tells" in name for name, _ in fitted.adaptation.model.named_parameters())
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").scores(ROWS.texts)
    assert np.array_equal(again, fitted.adaptation.scores(ROWS.texts))


def test_more_strength_draws_the_domains_nearer(base: Base, target: Path) -> None:
    texts = target.read_text().splitlines()[1:]

    def apart(strength: float) -> float:
        model = fit(recipe(base, target, strength=strength), ROWS).adaptation.model
        return float(mmd(torch.from_numpy(embed(model, ROWS.texts)), torch.from_numpy(embed(model, texts))))

    assert apart(30.0) < apart(0.0)


def test_what_is_missing_is_said(base: Base, target: Path) -> None:
    with pytest.raises(UsageError, match="needs unlabelled texts of the target domain"):
        fit(recipe(base, target).changed({"stages.0.objective.text": None}), ROWS)
    with pytest.raises(TailorError, match="one of pooled vectors"):
        fit(recipe(base, target).changed({"pooling": "native"}), ROWS)
    with pytest.raises(TailorError, match="here the head alone learns"):
        fit(recipe(base, target, "head"), ROWS)
    target.write_text("text\nonly one\n")
    with pytest.raises(TailorError, match="two texts of each"):
        fit(recipe(base, target), ROWS)
