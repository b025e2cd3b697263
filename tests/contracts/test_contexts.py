"""The contract of contexts: what is encoded, the head it becomes, and that no weight learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.context import contexts
from tailorlm.core.config import validate
from tailorlm.models.encoder import load_model
from tailorlm.models.heads import load_head, save_head
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
# `prompt` is for models that write, `search` for the task `retrieve`: they have suites of their own (tests/recipes).
NAMES = [name for name in contexts if name not in ("prompt", "search")]


def test_the_suite_found_every_context() -> None:
    assert list(contexts) == ["instruction", "examples", "prompt", "search"]


def vectors_for(name: str, rows: int = 20, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    count = rows if contexts.get(name).needs_rows else labels
    codes = np.arange(count) % labels
    return random.normal(size=(count, 8)).astype(np.float32), codes


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_one_for_each_thing_given(name: str) -> None:
    part = contexts.get(name)
    made = part(part.Settings())
    assert isinstance(part.needs_rows, bool)
    assert made.texts(["b", "a", "b"]) == ["b", "a", "b"]
    assert made.texts([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_head_scores_every_label_and_survives_its_files(name: str, tmp_path: Path) -> None:
    part = contexts.get(name)
    vectors, codes = vectors_for(name)
    given = vectors.copy()
    head = part(part.Settings()).head(vectors, codes, 3).eval()
    assert np.array_equal(vectors, given), "the shared vectors must stay as they are"
    asked = torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        scores = head(asked)
    assert scores.shape == (7, 3)
    assert torch.isfinite(scores).all()
    save_head(head, tmp_path)
    with torch.inference_mode():
        assert torch.equal(load_head(tmp_path).eval()(asked), scores)
        assert torch.allclose(torch.cat([head(row[None]) for row in asked]), scores, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_what_is_shown_does_not_count(name: str) -> None:
    part = contexts.get(name)
    vectors, codes = vectors_for(name)
    asked = torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    order = np.random.default_rng(0).permutation(len(codes))
    with torch.inference_mode():
        one = part(part.Settings()).head(vectors, codes, 3).eval()(asked)
        two = part(part.Settings()).head(vectors[order], codes[order], 3).eval()(asked)
    assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_learns_and_only_train_rows_are_shown(name: str, base: Base) -> None:
    rows, validation = labelled(12, 3), labelled(9, 3, start=50)
    recipe = validate({"name": "x", "base": str(base("bert", "mean")), "context": name}, Recipe)
    fitted = fit(recipe, rows, validation)
    assert fitted.trained == []
    assert fitted.trainable == 0
    fresh = load_model(resolve(recipe.base), labels=rows.labels)
    for (key, mine), (_, theirs) in zip(
        fitted.adaptation.model.body.named_parameters(), fresh.body.named_parameters(), strict=True
    ):
        assert torch.equal(mine, theirs), key
    part = recipe.context.make()
    shown = part.texts(rows.texts if part.needs_rows else recipe.task.make().label_texts(rows.labels))
    head = part.head(embed(fresh, shown), rows.codes if part.needs_rows else np.arange(3), 3).eval()
    with torch.inference_mode():
        expected = head(torch.from_numpy(embed(fresh, validation.texts))).numpy()
    assert np.allclose(fitted.adaptation.scores(validation.texts), expected, atol=1e-6)
    assert fitted.score is not None
    assert fitted.score.value == (expected.argmax(1) == validation.codes).mean()
