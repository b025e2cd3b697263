"""Rows of different length one behind the other against each row alone: every architecture, every reading, or padded where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.models import unpadded as room
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import scores_of, vectors_of
from tailorlm.models.unpadded import unpadded
from tailorlm.tasks.readings import Readings
from tiny import WIDTH

Base = Callable[..., Path]
FLAT = ("bert", "roberta", "distilbert", "modernbert", "gpt2", "llama", "qwen2")
PADDED = ("gptj", "t5")
LENGTHS = (
    1,
    30,
    7,
    2,
    30,
    7,
    41,
    3,
    7,
)  # longer than ModernBERT's window, of which each layer but the first sees 16 tokens


def model_of(base: Base, architecture: str, pooling: str = "mean") -> TextModel:
    return load_model(resolve(str(base(architecture, "mean"))), labels=("a", "b"), pooling=pooling)


def rows_of(model: TextModel, *, places: bool = False, segments: bool = False) -> Readings:
    random = np.random.default_rng(0)
    size = model.body.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    tokens = [random.integers(10, size, length).tolist() for length in LENGTHS]
    read = [sorted(random.choice(length, max(1, length // 2), replace=False).tolist()) for length in LENGTHS]
    types = [[int(i >= length // 2) for i in range(length)] for length in LENGTHS]
    return Readings(tokens, types=types if segments else None, places=read if places else None)


def passes(model: TextModel) -> list[bool]:
    """Whether each pass from now on is one row of many."""
    seen: list[bool] = []
    model.body.register_forward_hook(
        lambda _, __, given, ___: seen.append(len(given.get("row_lengths", ())) > 1), with_kwargs=True
    )
    return seen


def alone(model: TextModel, readings: Readings) -> list[np.ndarray]:
    with torch.inference_mode():
        rows = (readings.select([i]) for i in range(len(readings)))
        return [model.vectors(**model.batch(row)).numpy() for row in rows]


@pytest.mark.parametrize("architecture", [*FLAT, *PADDED])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "tokens"])
def test_every_row_gives_what_it_gives_alone(architecture: str, pooling: str, base: Base) -> None:
    model = model_of(base, architecture, pooling)
    readings = rows_of(model, places=pooling == "tokens")
    vectors_of(model, readings)
    seen = passes(model)
    found = vectors_of(model, readings)
    assert any(seen) == (architecture in FLAT)
    expected = alone(model, readings)
    assert [part.shape for part in found] == [part.shape for part in expected]
    assert max(np.abs(one - other).max() for one, other in zip(found, expected, strict=True)) < 1e-5
    assert not model.flat


def test_segments_stay_with_their_rows(base: Base) -> None:
    model = model_of(base, "bert", "cls")
    told, untold = rows_of(model, segments=True), rows_of(model)
    found = vectors_of(model, told)
    assert max(np.abs(a - b).max() for a, b in zip(found, alone(model, told), strict=True)) < 1e-5
    assert max(np.abs(a - b).max() for a, b in zip(found, vectors_of(model, untold), strict=True)) > 1e-3


def test_scores_and_the_models_own_attention_afterwards(base: Base) -> None:
    model = model_of(base, "bert")
    model.head = Linear.fresh(WIDTH, 2)
    before = model.config._attn_implementation
    readings = rows_of(model)
    found = np.concatenate(scores_of(model, readings))
    assert model.config._attn_implementation == before
    with torch.inference_mode():
        padded = model(**model.batch(readings)).numpy()
    assert np.abs(found - padded).max() < 1e-5


def test_rows_of_one_length_and_native_models_ask_for_nothing(base: Base) -> None:
    for model, lengths in (
        (model_of(base, "bert"), [5, 5]),
        (model_of(base, "bert"), []),
        (model_of(base, "bert", "native"), [5, 6]),
    ):
        with unpadded(model, lengths):
            assert not model.flat
        assert model.runs_flat == (None, False), "nothing was tried"


def test_it_is_tried_once_for_each_body(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tried = model_of(base, "bert"), []
    monkeypatch.setattr(room, "_holds", lambda body: tried.append(body) or True)
    random = torch.random.get_rng_state()
    for _ in range(3):
        with unpadded(model, [1, 2]):
            assert model.flat
    assert len(tried) == 1
    model.body = model_of(base, "gptj").body
    with unpadded(model, [1, 2]):
        assert not model.flat, "an attention that cannot be chosen"
    assert len(tried) == 2
    assert torch.equal(random, torch.random.get_rng_state())


def test_what_mixes_rows_is_found_out(base: Base) -> None:
    """A body that looks at its neighbour to the left, across the borders of rows: padded, and right."""
    model = model_of(base, "bert")

    def mixed(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        return output + torch.nn.functional.pad(output, (0, 0, 1, 0))[:, :-1]

    model.body.embeddings.register_forward_hook(mixed)  # type: ignore[union-attr]
    readings = rows_of(model)
    found = vectors_of(model, readings)
    assert model.runs_flat == (model.body, False)
    assert max(np.abs(a - b).max() for a, b in zip(found, alone(model, readings), strict=True)) < 1e-5
