"""Log-probabilities against reading every text whole, one by one, with nothing of ours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError
from tailorlm.models.decoder import Writer
from tailorlm.models.score import Tree, calibrated, candidate_scores, continuation_logprobs
from writers import KINDS

Made = Callable[..., Writer]


@torch.inference_mode()
def one_by_one(writer: Writer, prompt: list[int], end: list[int]) -> np.ndarray:
    logits = writer.body(torch.tensor([[*prompt, *end]])).logits[0].double()
    scores = torch.log_softmax(logits, -1).numpy()
    return np.array([scores[len(prompt) - 1 + i, token] for i, token in enumerate(end)])


def rows_of(writer: Writer, count: int, shared: int, longest: int = 20) -> list[list[int]]:
    random = np.random.default_rng(count + shared)
    size = int(writer.config.vocab_size)
    begin = random.integers(10, size, shared).tolist()
    return [[*begin, *random.integers(10, size, 1 + (5 * i) % longest).tolist()] for i in range(count)]


CANDIDATES = [[20], [21, 22], [21, 22, 23], [21, 25, 26, 27], [30, 31], [20, 21, 22, 23, 24, 25]]


@pytest.mark.parametrize("shared", [0, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_candidates_behind_one_reading(kind: str, shared: int, writers: Made) -> None:
    writer = writers(kind)
    prompts = rows_of(writer, 9, shared)
    found = candidate_scores(writer, prompts, CANDIDATES)
    truth = np.array([[one_by_one(writer, p, c).sum() for c in CANDIDATES] for p in prompts])
    assert found.shape == (9, 6)
    assert np.abs(found - truth).max() < 1e-4
    for size in (1, 2):
        parts = np.concatenate([candidate_scores(writer, prompts[i : i + size], CANDIDATES) for i in range(0, 9, size)])
        assert np.abs(parts - found).max() < 1e-4


@pytest.mark.parametrize("side", ["left", "right"])
def test_equal_to_transformers_with_padding_on_either_side(side: str, writers: Made) -> None:
    writer = writers("llama")
    prompts = rows_of(writer, 8, 0)
    whole = [[*p, 21, 22, 23] for p in prompts]
    longest = max(map(len, whole))
    pads = [[0] * (longest - len(row)) for row in whole]
    ids = [[*pad, *row] if side == "left" else [*row, *pad] for pad, row in zip(pads, whole, strict=True)]
    mask = torch.tensor(
        [
            [*pad, *[1] * len(row)] if side == "left" else [*[1] * len(row), *pad]
            for pad, row in zip(pads, whole, strict=True)
        ]
    )
    with torch.inference_mode():
        logits = writer.body(
            torch.tensor(ids), attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0)
        ).logits.double()
    scores = torch.log_softmax(logits, -1)
    found = candidate_scores(writer, prompts, [[21, 22, 23]])[:, 0]
    for i, (pad, prompt) in enumerate(zip(pads, prompts, strict=True)):
        at = len(prompt) - 1 + (len(pad) if side == "left" else 0)
        assert found[i] == pytest.approx(
            sum(float(scores[i, at + k, token]) for k, token in enumerate((21, 22, 23))), abs=1e-4
        )


def test_single_tokens_need_nothing_but_the_prompt(writers: Made) -> None:
    writer = writers("llama")
    prompts = rows_of(writer, 3, 0)
    found = candidate_scores(writer, prompts, [[20], [21]])
    assert found == pytest.approx(
        np.array([[one_by_one(writer, p, [t])[0] for t in (20, 21)] for p in prompts]), abs=1e-4
    )


@pytest.mark.parametrize("shared", [0, 30])
@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2"])
def test_continuations(kind: str, shared: int, writers: Made) -> None:
    writer = writers(kind)
    prompts = rows_of(writer, 9, shared)
    ends = [row[::-1][: i % 4] for i, row in enumerate(rows_of(writer, 9, 4))]
    assert {len(end) for end in ends} == {0, 1, 2, 3}
    for found, prompt, end in zip(continuation_logprobs(writer, prompts, ends), prompts, ends, strict=True):
        assert found == pytest.approx(one_by_one(writer, prompt, end), abs=1e-4)


def test_many_logits_are_taken_in_parts(writers: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writers("llama")
    prompts = rows_of(writer, 7, 0)
    whole = candidate_scores(writer, prompts, CANDIDATES)
    monkeypatch.setattr("tailorlm.models.score.LOGITS", 2 * 7 * int(writer.config.vocab_size))
    assert np.abs(candidate_scores(writer, prompts, CANDIDATES) - whole).max() < 1e-4


def test_the_tree_holds_each_beginning_once() -> None:
    tree = Tree.of(CANDIDATES)
    assert tree.inner == [21, 22, 25, 26, 30, 20, 21, 22, 23, 24]
    assert tree.parents == [-1, 0, 0, 2, -1, -1, 5, 6, 7, 8]
    assert tree.depth == [0, 1, 1, 2, 0, 0, 1, 2, 3, 4]
    assert [[tree.edges[e][1] for e in path] for path in tree.paths] == CANDIDATES
    assert tree.sees()[3].tolist() == [True, False, True, True, *[False] * 6]
    assert Tree.of([[1], [2]]).inner == []


def test_empty_and_too_long(writers: Made) -> None:
    writer = writers("llama")
    assert candidate_scores(writer, [], CANDIDATES).shape == (0, 6)
    assert candidate_scores(writer, [[20]], []).shape == (1, 0)
    with pytest.raises(TailorError, match="has no token"):
        candidate_scores(writer, [[20]], [[]])
    with pytest.raises(TailorError, match="longer than the model's context"):
        candidate_scores(writer, [[20] * 255], [[20, 21]])
    assert candidate_scores(writer, [[20] * 254], [[20, 21]]).shape == (1, 1)
    with pytest.raises(TailorError, match="longer than the model's context"):
        continuation_logprobs(writer, [[20] * 255], [[20, 21]])


def test_calibration_by_hand() -> None:
    """A model that says label 1 three times as often whatever it is asked: what is even between them is evidence for label 0."""
    free = np.log([[0.2, 0.6], [0.25, 0.75]])
    scores = np.log([[0.2, 0.6], [0.4, 0.4], [0.1, 0.7]])
    found = np.exp(calibrated(scores, free))
    # Divided by (0.25, 0.75): (0.8, 0.8), (1.6, 0.533), (0.4, 0.933)
    assert found == pytest.approx(np.array([[0.5, 0.5], [0.75, 0.25], [0.3, 0.7]]))
    assert np.exp(calibrated(scores, np.log([[0.5, 0.5]]))).sum(1) == pytest.approx(np.ones(3))
