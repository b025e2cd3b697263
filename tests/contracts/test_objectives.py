"""The contract of objectives: one loss a row, so that the loop may cut a step anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.objectives import objectives

# Those on plain text have no scores of labels: `tests/training/test_plain_text.py` and `test_language.py` hold them to theirs.
NAMES = [name for name in objectives if objectives.get(name).learns_from == "labels"]


def test_the_suite_found_every_objective() -> None:
    assert NAMES == ["labels"]
    assert sorted(set(objectives) - set(NAMES)) == [
        "causal_lm",
        "contrastive",
        "denoising",
        "distill",
        "domain_distance",
        "intermediate_task",
        "masked_lm",
        "multi_task",
        "preference",
        "ranking",
        "simcse",
        "triplet",
    ]


def made(name: str, **changes: object) -> object:
    part = objectives.get(name)
    return part(validate(changes, part.Settings))


def scores_and_codes(rows: int, labels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, labels, generator=random) * 3, torch.randint(0, labels, (rows,), generator=random)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 100), st.data())
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_adds_up_over_any_cut(name: str, rows: int, labels: int, seed: int, data: st.DataObject) -> None:
    objective = made(name)
    scores, codes = scores_and_codes(rows, labels, seed)
    cut = data.draw(st.integers(0, rows))
    whole = objective.losses(scores, codes)
    parts = [objective.losses(scores[:cut], codes[:cut]), objective.losses(scores[cut:], codes[cut:])]
    assert whole.shape == (rows,)
    assert torch.allclose(torch.cat(parts), whole, rtol=1e-5, atol=1e-5)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    assert torch.allclose(objective.losses(scores[order], codes[order]), whole[order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_a_gradient_that_points_to_its_label(name: str) -> None:
    scores, codes = scores_and_codes(6, 3, 0)
    scores.requires_grad_(True)
    made(name).losses(scores, codes).sum().backward()
    assert torch.isfinite(scores.grad).all()
    own = scores.grad[torch.arange(6), codes]
    assert (own < 0).all()
    assert scores.grad.sum(1).abs().max() < 1e-6


def test_labels_is_cross_entropy_by_hand() -> None:
    scores, codes = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    losses = made("labels").losses(scores, codes)
    assert losses.tolist() == pytest.approx([np.log(1 + np.exp(-2)), np.log(2)], abs=1e-6)


def test_smoothing_spreads_the_target_over_all_labels() -> None:
    scores, codes = scores_and_codes(5, 4, 1)
    logs = torch.log_softmax(scores, 1)
    target = torch.full((5, 4), 0.2 / 4)
    target[torch.arange(5), codes] += 0.8
    losses = made("labels", smoothing=0.2).losses(scores, codes)
    assert float(losses.sum()) == pytest.approx(float(-(target * logs).sum()), rel=1e-6)


def test_class_weights_are_torchs_and_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    scores, codes = scores_and_codes(40, 3, 2)
    codes[:30] = 0
    objective = made("labels", class_weights="balanced")
    objective.weigh(("a", "b", "c"), codes.numpy(), "one")
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=codes.numpy())
    wanted = torch.nn.functional.cross_entropy(
        scores, codes, weight=torch.tensor(balanced, dtype=torch.float32), reduction="none"
    )
    assert torch.allclose(objective.losses(scores, codes), wanted, rtol=1e-5)
    assert objective.weights[1][codes.numpy()].mean() == pytest.approx(1.0)
    named = made("labels", class_weights={"b": 5.0})
    named.weigh(("a", "b", "c"), codes.numpy(), "one")
    plain = made("labels").losses(scores, codes)
    assert torch.allclose(named.losses(scores, codes), plain * torch.where(codes == 1, 5.0, 1.0))
    with pytest.raises(TailorError, match="did you mean 'money'"):
        made("labels", class_weights={"mony": 2.0}).weigh(("money", "food"), codes.numpy(), "one")
    asked_nothing = torch.cat([codes[:39], torch.tensor([-100])])
    assert named.losses(scores, asked_nothing)[-1] == 0


def test_balanced_sides_of_many_labels() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    objective = made("labels", class_weights="balanced")
    objective.weigh(("a", "b"), targets.numpy(), "many")
    # A label that no row has is not weighed.
    assert objective.weights == pytest.approx(np.array([[4 / 6, 1.0], [2.0, 1.0]]))
    losses = objective.losses(torch.zeros(4, 2), targets, "many")
    assert losses.tolist() == pytest.approx([np.log(2) * 3, *[np.log(2) * (1 + 4 / 6)] * 3])


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_is_its_definition(gamma: float) -> None:
    scores, codes = scores_and_codes(20, 3, 3)
    chances = torch.softmax(scores, 1)[torch.arange(20), codes]
    focal = made("labels", focal=gamma).losses(scores, codes)
    assert torch.allclose(focal, -((1 - chances) ** gamma) * chances.log(), atol=1e-5)
    wanted = torch.nn.functional.one_hot(codes, 3).float()
    single = torch.sigmoid(scores)
    of_each = torch.where(wanted > 0, single, 1 - single)
    many = made("labels", focal=gamma).losses(scores, wanted, "many")
    assert torch.allclose(many, (-((1 - of_each) ** gamma) * of_each.log()).sum(1), atol=1e-5)
    sure = torch.tensor([[90.0, 0.0]], requires_grad=True)
    made("labels", focal=gamma).losses(sure, torch.tensor([0])).sum().backward()
    assert torch.isfinite(sure.grad).all()


@pytest.mark.parametrize("changes", [{"focal": 2.0}, {"class_weights": "balanced"}])
@pytest.mark.parametrize("target", ["number", "place", "chain"])
def test_answers_without_labels_have_no_weights(target: str, changes: dict[str, object]) -> None:
    with pytest.raises(TailorError, match="for labels"):
        made("labels", **changes).weigh(("a",), np.zeros((3, 1)), target)
