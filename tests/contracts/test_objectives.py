"""The contract of objectives: one loss a row, so that the loop may cut a step anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.config import validate
from tailorlm.objectives import objectives

# Those on plain text have no scores of labels: `tests/training/test_plain_text.py` and `test_language.py` hold them to theirs.
NAMES = [name for name in objectives if objectives.get(name).learns_from == "labels"]


def test_the_suite_found_every_objective() -> None:
    assert NAMES == ["labels"]
    assert sorted(set(objectives) - set(NAMES)) == [
        "causal_lm",
        "contrastive",
        "denoising",
        "domain_distance",
        "masked_lm",
        "simcse",
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
