"""The chain's loss against sums over all sequences, its gradients against differences, links to begin with by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tailorlm.models.chain import chain_losses, links_of


def by_hand(scores: torch.Tensor, codes: list[int], links: torch.Tensor) -> float:
    """-log of the right sequence's share among all sequences."""

    def total(path: tuple[int, ...]) -> float:
        inside = sum(float(scores[i, tag]) for i, tag in enumerate(path))
        return inside + sum(float(links[a, b]) for a, b in itertools.pairwise(path))

    weights = {path: np.exp(total(path)) for path in itertools.product(range(scores.shape[1]), repeat=len(codes))}
    return float(-np.log(weights[tuple(codes)] / sum(weights.values())))


def given(sizes: list[int], tags: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    places = sum(sizes)
    scores = torch.randn(places, tags, generator=generator, dtype=torch.float64)
    codes = torch.randint(tags, (places,), generator=generator)
    links = torch.randn(tags, tags, generator=generator, dtype=torch.float64)
    return scores, codes, torch.tensor(sizes), links


@pytest.mark.parametrize("sizes", [[1], [3], [2, 4, 1], [3, 0, 2], [4, 4]])
def test_the_loss_is_the_share_among_all_sequences(sizes: list[int]) -> None:
    for seed in range(4):
        scores, codes, lengths, links = given(sizes, 3, seed)
        losses, at = chain_losses(scores, codes, lengths, links), 0
        assert losses.shape == (len(sizes),)
        for row, size in enumerate(sizes):
            expected = by_hand(scores[at : at + size], codes[at : at + size].tolist(), links) if size else 0.0
            assert float(losses[row]) == pytest.approx(expected, abs=1e-9)
            at += size


def test_gradients_are_those_of_differences() -> None:
    scores, codes, sizes, links = given([3, 0, 2, 1], 4)
    scores.requires_grad_(True)
    links.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda s, k: chain_losses(s, codes, sizes, k), (scores, links))


def test_without_links_it_is_cross_entropy_summed_over_places() -> None:
    scores, codes, sizes, links = given([3, 2], 4)
    plain = torch.nn.functional.cross_entropy(scores, codes, reduction="none")
    expected = torch.stack([plain[:3].sum(), plain[3:].sum()])
    assert torch.allclose(chain_losses(scores, codes, sizes, 0 * links), expected)


def test_rows_computed_together_cost_what_they_cost_alone() -> None:
    scores, codes, _, links = given([5, 2, 7], 4)
    together = chain_losses(scores, codes, torch.tensor([5, 2, 7]), links)
    alone = [
        chain_losses(scores[a:b], codes[a:b], torch.tensor([b - a]), links)[0] for a, b in ((0, 5), (5, 7), (7, 14))
    ]
    assert torch.allclose(together, torch.stack(alone))


def test_no_places_at_all_cost_nothing_and_still_have_a_gradient() -> None:
    links = torch.zeros(2, 2, requires_grad=True)
    losses = chain_losses(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.tensor([0, 0]), links)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert losses.tolist() == [0.0, 0.0]


def test_links_begin_as_tags_follow_one_another() -> None:
    """0>0 twice, 0>1 once, 1>0 once; 2 never: of the second tags 0 has 3/4, 1 has 1/4."""
    found = links_of([torch.tensor([0, 0, 0, 1]), torch.tensor([1, 0]), torch.tensor([1])], 3)
    expected = [[(2 / 0.75 + 1) / 4, (1 / 0.25 + 1) / 4, 1 / 4], [(1 / 0.75 + 1) / 2, 1 / 2, 1 / 2], [1.0, 1.0, 1.0]]
    assert found.numpy() == pytest.approx(np.log(expected), abs=1e-6)
    assert links_of([], 2).tolist() == [[0.0, 0.0], [0.0, 0.0]]
