"""Rows run as one sequence against the same rows run one by one, and the loss at label positions against torch's own, by architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models import row_losses
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.vocabulary import Scores, label_losses
from tailorlm.training.language import HiddenTokens, NextTokens
from tailorlm.training.token_rows import TokenRows
from token_models import MASKED, PADDED_ONLY, WRITERS, writer

LENGTHS = (11, 3, 20, 7, 1, 2)


def rows_of(vocabulary: int, lengths: tuple[int, ...] = LENGTHS, seed: int = 3) -> TokenRows:
    """Rows of random tokens, of which the last half is learned."""
    random = np.random.default_rng(seed)
    pairs = [(random.integers(10, vocabulary, n).tolist(), [i >= n // 2 for i in range(n)]) for n in lengths]
    return TokenRows.of(pairs, [f"r{i}" for i in range(len(lengths))])


def alone(model: Any, rows: TokenRows) -> Tensor:
    """The loss of each row by transformers alone: one forward pass a row, all its scores."""
    targets = rows.targets()
    found = []
    for number in range(len(rows)):
        ids = torch.from_numpy(rows.row(number).astype(np.int64))
        learned = torch.from_numpy(targets[rows.borders[number] : rows.borders[number + 1]])
        scores = model(input_ids=ids[None]).logits[0]
        losses = nn.functional.cross_entropy(scores[:-1].float(), ids[1:], reduction="none")
        found.append((losses * learned[1:]).sum())
    return torch.stack(found)


def gradients(model: nn.Module, losses: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    (losses * torch.arange(1.0, len(losses) + 1)).sum().backward()  # a factor of its own for each row
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert set(one) == set(other)
    assert len(one) > 5
    size = torch.stack([g.norm() for g in other.values()]).norm()
    apart = torch.stack([(one[name] - other[name]).norm() for name in other]).norm()
    assert apart <= 1e-5 * size


@pytest.mark.parametrize("name", WRITERS)
def test_a_packed_row_learns_what_it_learns_alone(name: str) -> None:
    model = writer(name)
    rows = rows_of(model.config.vocab_size)
    expected = alone(model, rows)
    reference = gradients(model, expected)
    lesson = NextTokens(RowLosses(model), rows)
    assert lesson.of.packed is (name not in PADDED_ONLY)
    assert lesson.of.fused
    assert lesson.counts == [6, 2, 10, 4, 0, 1]
    found = lesson.losses(range(len(rows)))
    assert torch.allclose(found, expected, atol=1e-5)
    same(gradients(model, found), reference)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])
def test_padded_rows_learn_the_same(name: str) -> None:
    model = writer(name)
    rows = rows_of(model.config.vocab_size)
    expected = alone(model, rows)
    lesson = NextTokens(RowLosses(model, packed=False), rows)
    assert lesson.padded
    found = lesson.losses(range(len(rows)))
    assert torch.allclose(found, expected, atol=1e-5)
    same(gradients(model, found), gradients(model, alone(model, rows)))


@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3"])
def test_no_document_sees_another(name: str) -> None:
    """One token changed in one row moves the losses of that row and, to the bit, of no other."""
    model = writer(name)
    rows = rows_of(model.config.vocab_size)
    lesson = NextTokens(RowLosses(model), rows)
    before = lesson.losses(range(4)).detach()
    for number in range(4):
        rows.ids[rows.borders[number]] = 9
        after = lesson.losses(range(4)).detach()
        moved = [i for i in range(4) if not torch.equal(before[i], after[i])]
        assert moved == [number]
        before = after


def test_rows_stay_what_they_are_in_any_company() -> None:
    model = writer("llama")
    rows = rows_of(model.config.vocab_size)
    lesson = NextTokens(RowLosses(model), rows)
    whole = lesson.losses(range(4)).detach()
    assert torch.equal(lesson.losses([2, 0]).detach(), lesson.losses([2, 0]).detach())
    assert torch.allclose(lesson.losses([2, 0]).detach(), whole[[2, 0]], atol=1e-6)
    assert lesson.losses([4]).tolist() == [0.0]


def test_only_learned_positions_meet_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    model = writer("llama")
    rows = rows_of(model.config.vocab_size)
    lesson = NextTokens(RowLosses(model), rows)
    seen: list[tuple[int, ...]] = []
    given = row_losses.label_losses
    monkeypatch.setattr(row_losses, "label_losses", lambda states, *a: seen.append(states.shape) or given(states, *a))
    model.lm_head.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    lesson.losses(range(len(rows)))
    width = model.config.hidden_size
    assert seen == [(sum(lesson.counts), width), (1, sum(lesson.counts), width)] or seen == [
        (1, sum(lesson.counts), width),
        (sum(lesson.counts), width),
    ]


def test_the_model_still_generates_and_predicts_as_before() -> None:
    for name in ("llama", "gemma2", "mistral"):
        plain, packed = writer(name), writer(name)
        assert RowLosses(packed).packed
        ids = torch.randint(10, 90, (2, 9), generator=torch.Generator().manual_seed(0))
        mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1], [1] * 9])
        one, other = (m(input_ids=ids, attention_mask=mask).logits for m in (plain, packed))
        assert torch.allclose(one[mask.bool()], other[mask.bool()], atol=1e-5)
        written = [m.generate(ids, attention_mask=mask, max_new_tokens=5, do_sample=False) for m in (plain, packed)]
        assert torch.equal(*written)


@pytest.mark.parametrize("name", MASKED)
def test_hidden_tokens_are_predicted_as_by_the_model_alone(name: str) -> None:
    model = writer(name)
    rows = rows_of(model.config.vocab_size)
    lesson = HiddenTokens(RowLosses(model), rows, mask=4, vocabulary=90, seed=1)
    found = lesson.losses(range(len(rows)))
    expected = []
    for number in range(len(rows)):
        span = slice(rows.borders[number], rows.borders[number + 1])
        ids, hidden = torch.from_numpy(rows.ids[span].astype(np.int64)), torch.from_numpy(lesson.hidden[span])
        scores = model(input_ids=torch.from_numpy(lesson.shown[span])[None]).logits[0]
        expected.append(nn.functional.cross_entropy(scores[hidden].float(), ids[hidden], reduction="sum"))
    assert torch.allclose(found, torch.stack(expected), atol=2e-5)
    same(gradients(model, found), gradients(model, torch.stack(expected)))


def test_a_model_without_a_vocabulary_is_refused() -> None:
    from transformers import LlamaConfig, LlamaModel

    made = LlamaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    with pytest.raises(TailorError, match="no head over its vocabulary"):
        RowLosses(LlamaModel(made))


@pytest.mark.parametrize("scores", [Scores(), Scores(scale=0.25), Scores(cap=3.0), Scores(scale=2.0, cap=5.0)])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
@pytest.mark.parametrize("even", [True, False])
def test_label_losses_are_those_of_torch(scores: Scores, chunk: int, even: bool) -> None:
    random = torch.Generator().manual_seed(0)
    states, weight, bias = (
        torch.randn(*shape, generator=random).requires_grad_() for shape in ((13, 6), (29, 6), (29,))
    )
    targets = torch.randint(0, 29, (13,), generator=random)
    factors = torch.full((13,), 0.3) if even else torch.rand(13, generator=random)
    logits = scores.scale * nn.functional.linear(states, weight, bias)
    logits = logits if scores.cap is None else scores.cap * torch.tanh(logits / scores.cap)
    expected = nn.functional.cross_entropy(logits, targets, reduction="none")
    wanted = torch.autograd.grad((expected * factors).sum(), (states, weight, bias))
    found = label_losses(states, weight, bias, targets, scores, chunk)
    assert torch.allclose(found, expected, atol=1e-5)
    for one, other in zip(torch.autograd.grad((found * factors).sum(), (states, weight, bias)), wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_label_losses_of_a_frozen_projection_and_of_nothing() -> None:
    states, weight = torch.randn(5, 4, requires_grad=True), torch.randn(7, 4)
    targets = torch.arange(5)
    label_losses(states, weight, None, targets).sum().backward()
    expected = torch.autograd.grad(nn.functional.cross_entropy(states @ weight.T, targets, reduction="sum"), states)[0]
    assert torch.allclose(states.grad, expected, atol=1e-6)
    weight.requires_grad_()
    nothing = label_losses(states[:0], weight, None, targets[:0])
    nothing.sum().backward()
    assert nothing.shape == (0,)
    assert not weight.grad.any()
