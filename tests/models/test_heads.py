"""Heads by hand: what a vector scores, how votes are counted, what comes back from the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import TailorError
from tailorlm.models.heads import Linear, Nearest, load_head, save_head

EAST, NORTH = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def at(degrees: float, length: float = 1.0) -> list[float]:
    return [length * float(np.cos(np.radians(degrees))), length * float(np.sin(np.radians(degrees)))]


# ---- linear


def test_linear_is_weights_times_vector_plus_bias() -> None:
    head = Linear(torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]]), torch.tensor([0.5, 0.0, -1.0])).eval()
    assert head(torch.tensor([[2.0, 1.0], [0.0, 0.0]])).tolist() == [[4.5, -1.0, 5.0], [0.5, 0.0, -1.0]]


def test_linear_may_scale_vectors_to_length_one() -> None:
    head = Linear(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2), normalise=True).eval()
    assert head(torch.tensor([[3.0, 4.0]])).tolist() == [pytest.approx([0.6, 0.8])]
    assert torch.allclose(head(torch.tensor([[30.0, 40.0]])), head(torch.tensor([[3.0, 4.0]])))
    assert torch.isfinite(head(torch.zeros(1, 2))).all()


def test_a_fresh_head_is_small_seeded_and_without_bias() -> None:
    one = Linear.fresh(512, 8, generator=torch.Generator().manual_seed(3))
    two = Linear.fresh(512, 8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(one.weight, two.weight)
    assert not torch.equal(one.weight, Linear.fresh(512, 8, generator=torch.Generator().manual_seed(4)).weight)
    assert float(one.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert not one.bias.any()
    assert one.dropout.p == 0.1


def test_dropout_acts_in_training_alone() -> None:
    head = Linear(torch.eye(64), torch.zeros(64), dropout=0.5)
    ones = torch.ones(1, 64)
    assert torch.equal(head.eval()(ones), ones)
    dropped = head.train()(ones)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


# ---- nearest


def test_the_nearest_labels_vote_by_their_cosine() -> None:
    examples = torch.tensor([at(0), at(60), at(80), at(180)])
    head = Nearest(examples, torch.tensor([0, 1, 1, 2]), labels=3, k=3)
    shares = head(torch.tensor([at(0, 5.0)]))[0]
    votes = np.array([1.0, np.cos(np.radians(60)) + np.cos(np.radians(80)), 0.0])
    assert np.abs(shares.numpy() - votes / votes.sum()).max() < 1e-5
    assert float(shares.sum()) == pytest.approx(1)


def test_length_counts_neither_in_the_query_nor_in_the_examples() -> None:
    codes = torch.tensor([0, 1])
    one = Nearest(torch.tensor([at(0, 1.0), at(50, 1.0)]), codes, labels=2, k=2)
    two = Nearest(torch.tensor([at(0, 9.0), at(50, 0.1)]), codes, labels=2, k=2)
    assert torch.allclose(one(torch.tensor([at(30)])), two(torch.tensor([at(30, 7.0)])), atol=1e-6)


def test_k_is_never_more_than_there_are() -> None:
    head = Nearest(torch.tensor([at(0), at(90)]), torch.tensor([0, 1]), labels=2, k=50)
    assert head.k == 2
    assert head(torch.tensor([at(10)])).argmax() == 0


def test_two_against_one_win_when_they_are_near() -> None:
    head = Nearest(torch.tensor([at(10), at(20), at(0)]), torch.tensor([1, 1, 0]), labels=2, k=3)
    assert head(torch.tensor([at(0)])).argmax() == 1


@pytest.mark.parametrize("codes", [[0, 1], [1, 0]])
def test_a_tie_goes_to_the_label_of_the_nearer(codes: list[int]) -> None:
    """Votes of equal size: two halves against one whole, and two exact copies with different labels."""
    near, far = codes
    # cos 0 = 1 for the near one; cos 60 + cos 60 = 1 for the two others
    head = Nearest(torch.tensor([at(60), at(-60), at(0)]), torch.tensor([far, far, near]), labels=2, k=3)
    shares = head(torch.tensor([EAST.tolist()]))[0]
    assert float(shares[near]) == pytest.approx(0.5, abs=1e-5)
    one = Nearest(torch.tensor([at(45), at(-45)]), torch.tensor([near, far]), labels=2, k=2)
    assert float(one(torch.tensor([at(1)]))[0, near]) > 0.5
    exact = Nearest(torch.tensor([at(0), at(0)]), torch.tensor([near, far]), labels=2, k=2)(
        torch.tensor([EAST.tolist()])
    )[0]
    assert exact.argmax().item() in codes
    assert float(exact.max()) == pytest.approx(0.5, abs=1e-5)


def test_opposite_examples_have_no_negative_vote() -> None:
    head = Nearest(torch.tensor([at(180), at(170)]), torch.tensor([0, 1]), labels=2, k=2)
    shares = head(torch.tensor([EAST.tolist()]))[0]
    assert torch.isfinite(shares).all()
    assert (shares >= 0).all()
    assert shares.argmax() == 1, "the less far one"


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(2, 4), st.integers(0, 1000))
def test_votes_against_a_loop(stored: int, k: int, labels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    examples, codes = random.normal(size=(stored, 6)), random.integers(0, labels, stored)
    asked = random.normal(size=(5, 6))
    head = Nearest(torch.from_numpy(examples), torch.from_numpy(codes), labels=labels, k=k)
    found = head(torch.from_numpy(asked).float()).numpy()
    unit = examples / np.linalg.norm(examples, axis=1, keepdims=True)
    for query, shares in zip(asked / np.linalg.norm(asked, axis=1, keepdims=True), found, strict=True):
        cosines = unit @ query
        near = np.argsort(-cosines)[:k]
        votes = np.zeros(labels)
        for rank, i in enumerate(near):
            votes[codes[i]] += max(cosines[i], 0) + 1e-6 * (len(near) - rank)
        assert np.abs(shares - votes / votes.sum()).max() < 1e-3
        assert shares.sum() == pytest.approx(1, abs=1e-5)


# ---- files


@pytest.mark.parametrize("kind", ["linear", "nearest"])
def test_a_head_comes_back_to_the_bit(kind: str, tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    if kind == "linear":
        head: Linear | Nearest = Linear(
            torch.randn(3, 7, generator=random), torch.randn(3, generator=random), normalise=True, dropout=0.25
        )
    else:
        head = Nearest(torch.randn(9, 7, generator=random), torch.arange(9) % 3, labels=3, k=4)
    save_head(head, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"head.json", "head.safetensors"}
    assert json.loads((tmp_path / "head.json").read_text())["kind"] == kind
    back = load_head(tmp_path)
    asked = torch.randn(5, 7, generator=random)
    assert torch.equal(back.eval()(asked), head.eval()(asked))
    assert back.state()[1] == head.state()[1]
    save_head(back, tmp_path)
    assert torch.equal(load_head(tmp_path).eval()(asked), head(asked)), "and again"


@pytest.mark.parametrize(
    "fault", ["no json", "no tensors", "half a json", "half the tensors", "other tensors", "no kind"]
)
def test_a_damaged_head_is_an_error(fault: str, tmp_path: Path) -> None:
    save_head(Linear.fresh(4, 2), tmp_path)
    settings_file, tensors = tmp_path / "head.json", tmp_path / "head.safetensors"
    if fault == "no json":
        settings_file.unlink()
    elif fault == "no tensors":
        tensors.unlink()
    elif fault == "half a json":
        settings_file.write_text('{"kind": ')
    elif fault == "half the tensors":
        tensors.write_bytes(tensors.read_bytes()[:40])
    elif fault == "other tensors":
        settings_file.write_text('{"kind": "nearest", "labels": 2, "k": 1}')
    else:
        settings_file.write_text("{}")
    with pytest.raises(TailorError, match="has no readable head"):
        load_head(tmp_path)
