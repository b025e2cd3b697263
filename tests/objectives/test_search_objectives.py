"""Objectives over queries and passages, against their formulas in NumPy; hard negatives by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.objectives import objectives
from tailorlm.objectives._search import hard_negatives


def made(name: str, **settings: Any) -> Any:
    part = objectives.get(name)
    return part(part.Settings(**settings))


def bundle(seed: int, queries: int = 5, passages: int = 8) -> tuple[torch.Tensor, ...]:
    random = np.random.default_rng(seed)
    own = random.permutation(passages)[:queries]
    wrong = random.random((queries, passages)) < 0.8
    wrong[np.arange(queries), own] = False
    hard = wrong & (random.random((queries, passages)) < 0.3)
    vectors = (random.normal(size=(count, 6)) for count in (queries, passages))
    return *map(torch.from_numpy, vectors), torch.from_numpy(own), torch.from_numpy(wrong), torch.from_numpy(hard)


def cosines(queries: Any, passages: Any) -> np.ndarray:
    one, other = (np.asarray(side) / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, passages))
    return one @ other.T


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_ranking_is_the_softmax_over_what_is_not_masked(temperature: float) -> None:
    for seed in range(30):
        queries, passages, own, wrong, hard = bundle(seed)
        scores = np.exp(cosines(queries, passages) / temperature)
        wanted = [
            -np.log(row[right] / (row[right] + row[mask].sum()))
            for row, right, mask in zip(scores, own.tolist(), wrong.numpy(), strict=True)
        ]
        found = made("ranking", temperature=temperature).losses(queries, passages, own, wrong, hard)
        assert found.shape == (5,)
        assert found.tolist() == pytest.approx(wanted, rel=1e-9)


def test_a_right_passage_that_is_not_the_own_one_never_counts() -> None:
    queries, passages, own, wrong, hard = bundle(1)
    wrong[0] = True
    wrong[0, own[0]] = wrong[0, (own[0] + 1) % 8] = False
    before = made("ranking").losses(queries, passages, own, wrong, hard)[0]
    passages[(own[0] + 1) % 8] = queries[0] * 9  # as like as can be
    assert made("ranking").losses(queries, passages, own, wrong, hard)[0] == pytest.approx(float(before))
    alone = torch.zeros_like(wrong)
    assert made("ranking").losses(queries, passages, own, alone, hard).tolist() == [0.0] * 5


def test_triplet_is_the_margin_over_own_negatives_else_the_likest_of_the_step() -> None:
    for seed in range(30):
        queries, passages, own, wrong, hard = bundle(seed)
        likeness = cosines(queries, passages)
        wanted = []
        for i, right in enumerate(own.tolist()):
            told = (
                np.flatnonzero(hard[i]) if hard[i].any() else np.flatnonzero(wrong[i])[[likeness[i][wrong[i]].argmax()]]
            )
            wanted.append(np.maximum(0, 0.3 - likeness[i, right] + likeness[i, told]).mean())
        found = made("triplet", margin=0.3).losses(queries, passages, own, wrong, hard)
        assert found.tolist() == pytest.approx(wanted, abs=1e-9)
    alone = torch.zeros_like(wrong)
    assert made("triplet").losses(queries, passages, own, alone, alone).tolist() == [0.0] * 5


@pytest.mark.parametrize("name", ["ranking", "triplet"])
def test_gradients_are_finite_and_move_both_sides(name: str) -> None:
    queries, passages, own, wrong, hard = bundle(3)
    queries.requires_grad_(True)
    passages.requires_grad_(True)
    made(name).losses(queries, passages, own, wrong, hard).sum().backward()
    for side in (queries, passages):
        assert torch.isfinite(side.grad).all()
        assert (side.grad != 0).any()


def at(*cosines: float) -> np.ndarray:
    return np.array([[c, np.sqrt(1 - c * c)] for c in cosines], dtype=np.float32)


def test_hard_negatives_by_hand() -> None:
    queries, passages = at(1.0, 1.0), at(0.8, 0.9, 0.77, 0.75, 0.75, -0.2)
    found, passed = hard_negatives(queries, passages, [[0], [0, 1]], 3, 0.95)
    # 0.95 * 0.8 = 0.76 for the first: 0.9 and 0.77 are too like. 0.855 for the second, of its likest right one.
    assert found == [[3, 4, 5], [2, 3, 4]]
    assert passed == 2
    assert hard_negatives(queries[:1], passages, [[0]], 2, 2.0)[0] == [[1, 2]]
    assert hard_negatives(queries[:1], passages[:1], [[0]], 2, 0.95) == ([[]], 0)
    # A right passage that is unlike the query: what is likelier than it, or nearly so, is passed over.
    assert hard_negatives(queries[:1], at(-0.2, -0.205, -0.3, 0.5), [[0]], 3, 0.95)[0] == [[2]]


def test_hard_negatives_of_many_are_those_of_each() -> None:
    random = np.random.default_rng(0)
    queries, passages = (random.normal(size=(n, 8)).astype(np.float32) for n in (300, 40))
    queries, passages = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, passages))
    right = [[int(i) for i in random.choice(40, 2, replace=False)] for _ in range(300)]
    found, _ = hard_negatives(queries, passages, right, 5, 0.9)
    for i in range(300):
        row = queries[i] @ passages.T
        bar = row[right[i]].max()
        allowed = [j for j in range(40) if j not in right[i] and row[j] < bar - 0.1 * abs(bar)]
        assert found[i] == sorted(allowed, key=lambda j: -row[j])[:5]
