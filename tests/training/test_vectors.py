"""Lessons for the vectors of plain texts: their losses by hand, bundles and words drawn by pass, and stages of them before labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.objectives import objectives
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.training.plain_text import text_lesson
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(13, 3)


def objective(name: str, **settings: Any) -> Any:
    part = objectives.get(name)
    return part(validate(settings, part.Settings))


def lesson_of(
    name: str, folder: Path, pooling: str = "mean", together: int = 4, **settings: Any
) -> tuple[Any, TextModel]:
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    found, _ = text_lesson(objective(name, **settings), model, ROWS.ids, ROWS.texts, 0, together)
    return found, model


def test_two_readings_by_hand() -> None:
    first, second = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    losses = objective("simcse", temperature=0.5).losses(first, second)
    cosines = np.array([[1.0, 0.6], [0.0, 0.8]]) / 0.5
    expected = np.log(np.exp(cosines).sum(1)) - cosines.diagonal()
    assert losses.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_a_bundle_has_the_same_loss_in_any_company_and_by_an_independent_formula(pooling: str, base: Base) -> None:
    lesson, model = lesson_of("simcse", base("bert"), pooling)
    assert [len(bundle) for bundle in lesson.bundles].count(4) == 2, "12 texts and one that would be alone"
    assert sorted(i for bundle in lesson.bundles for i in bundle) == list(range(13))
    assert sum(lesson.counts) == 13
    assert sorted(map(len, lesson.bundles)) == [4, 4, 5]
    assert lesson.order.total(2) == 2 * 3
    model.eval()  # without dropout both readings are the vector itself
    together, alone = lesson.losses([0, 1, 2]), torch.cat([lesson.losses([i]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-4)
    vectors = embed(model, ROWS.texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for bundle, loss in zip(lesson.bundles, together.tolist(), strict=True):
        scores = np.exp((vectors[bundle] @ vectors[bundle].T).astype(np.float64) / 0.05)
        assert loss == pytest.approx(float(-np.log(scores.diagonal() / scores.sum(1)).sum()), rel=1e-3)


def test_every_pass_has_other_bundles_and_the_same_pass_the_same(base: Base) -> None:
    lesson, model = lesson_of("simcse", base("bert"))
    first = [list(bundle) for bundle in lesson.bundles]
    lesson.begin(1)
    assert [list(bundle) for bundle in lesson.bundles] != first
    lesson.begin(0)
    assert [list(bundle) for bundle in lesson.bundles] == first
    model.train()
    one, other = lesson.losses([0]), lesson.losses([0])
    assert float(one.detach()) != float(other.detach()), "dropout is another in every reading"


def test_what_cannot_be_told_apart_is_refused(base: Base) -> None:
    with pytest.raises(CheckError, match="told from each other"):
        lesson_of("simcse", base("bert"), together=1)
    model = load_model(resolve(str(base("bert"))), labels=[], pooling="mean")
    with pytest.raises(CheckError, match="1 texts"):
        text_lesson(objective("simcse"), model, ["a", "b"], ["same", "same"], 0, 4)
    with pytest.raises(TailorError, match="no dropout") as error:
        lesson_of("simcse", base("llama", "last"), "last")
    assert "dropout: 0.1" in error.value.hint


@pytest.mark.parametrize("architecture", ["bert", "roberta", "modernbert", "gpt2", "qwen2", "t5"])
def test_words_are_taken_out_and_all_are_written(architecture: str, base: Base) -> None:
    lesson, model = lesson_of("denoising", base(architecture), "mean", delete=0.6)
    bare = model.tokenizer(list(ROWS.texts), add_special_tokens=False)["input_ids"]
    assert list(lesson.counts) == [len(ids) for ids in bare]
    learned, stays = np.array(lesson.rows.learned), lesson.stays
    assert stays[~learned].all(), "the frame stays"
    for i in range(len(lesson.rows)):
        span = slice(lesson.rows.borders[i], lesson.rows.borders[i + 1])
        words, kept = lesson.words[span][learned[span]], stays[span][learned[span]]
        assert kept.any()
        assert all(len(set(kept[words == word])) == 1 for word in set(words)), "a word goes whole"
    first = stays.copy()
    lesson.begin(1)
    assert not np.array_equal(lesson.stays, first)
    lesson.begin(0)
    assert np.array_equal(lesson.stays, first)
    model.eval(), lesson.module.eval()
    with torch.no_grad():
        together, alone = lesson.losses(range(13)), torch.cat([lesson.losses([i]) for i in range(13)])
    assert torch.allclose(together, alone, atol=1e-3)
    assert {n for n, _ in model.named_parameters()} <= {n for n, _ in lesson.module.named_parameters()}


def test_the_share_of_words_that_go(base: Base) -> None:
    lesson, _ = lesson_of("denoising", base("bert"), delete=0.6)
    shares = []
    for epoch in range(40):
        lesson.begin(epoch)
        shares.append(1 - lesson.stays[np.array(lesson.rows.learned)].mean())
    assert 0.45 < np.mean(shares) < 0.62  # one word always stays, and texts are short


def test_the_rebuilt_loss_by_an_independent_formula(base: Base) -> None:
    lesson, model = lesson_of("denoising", base("bert"))
    model.eval(), lesson.module.eval()
    made, words = lesson.rebuilder, model.transformer.get_input_embeddings().weight
    for i in (0, 7):
        span = slice(lesson.rows.borders[i], lesson.rows.borders[i + 1])
        ids, stays = lesson.rows.ids[span], lesson.stays[span]
        vector = model.pool(torch.tensor([ids[stays].tolist()]), torch.ones(1, int(stays.sum()), dtype=torch.long))
        whole, total = ids[np.array(lesson.rows.learned[span])].tolist(), 0.0
        for place, wanted in enumerate(whole):  # one token at a time: nothing can look ahead
            shown = words[torch.tensor([whole[:place]], dtype=torch.long)]
            scores = made.decoder(vector, shown)[0, -1] @ words.T + made.bias
            total -= float(scores.log_softmax(-1)[wanted])
        assert float(lesson.losses([i])) == pytest.approx(total, rel=1e-4)


def recipe(base: Base, part: str, weights: str = "full", epochs: int = 2, **settings: Any) -> Recipe:
    train = {"epochs": epochs, "rows_per_step": 4, "warmup": 0}
    stages = [
        {"weights": {"part": weights, "lr": 0.003}, "objective": {"part": part, **settings}, "train": train},
        {"weights": "features"},
    ]
    plain = {"name": "x", "base": str(base("bert")), "pooling": "mean", "stages": stages}
    return validate(plain, Recipe)


@pytest.mark.parametrize("part", ["simcse", "denoising"])
@pytest.mark.parametrize("weights", ["full", "lora", "adapter"])
def test_a_stage_of_text_before_a_classifier(part: str, weights: str, base: Base, tmp_path: Path) -> None:
    made = fit(recipe(base, part, weights), ROWS)
    losses = made.trained[0].losses
    assert len(losses) == 2 * {"simcse": 3, "denoising": 4}[part]
    assert np.isfinite(losses).all()
    bare = embed(load_model(resolve(str(base("bert"))), labels=[], pooling="mean"), ROWS.texts)
    assert not np.allclose(embed(made.adaptation.model, ROWS.texts), bare, atol=1e-4)
    folder = made.adaptation.save(tmp_path / "a")
    assert np.array_equal(Adaptation.load(folder).scores(ROWS.texts), made.adaptation.scores(ROWS.texts))
    assert not [n for n, _ in made.adaptation.model.named_parameters() if "decoder." in n], "the decoder is dropped"


def test_what_is_made_learns_alone_first(base: Base) -> None:
    """With a warm-up as long as all passes but one, the body moves in the last pass alone."""
    from tailorlm.training import loop

    seen: list[tuple[int, bool]] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            body = dict(run[0].learning)
            seen.append((event["epoch"], any(p.grad is not None for n, p in body.items() if n.startswith("body."))))

    run: list[Any] = []
    start = loop.Run.__init__

    def kept(self: Any, *given: Any) -> None:
        start(self, *given)
        run.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Run, "__init__", kept)
        fit(recipe(base, "denoising", epochs=3, warm_up=2), ROWS, listen=watch)
    assert dict(seen) == {1: False, 2: False, 3: True}
    run.clear(), seen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Run, "__init__", kept)
        fit(recipe(base, "denoising", epochs=1, warm_up=2), ROWS, listen=watch)
    assert dict(seen) == {1: True}, "the last pass is never warm-up"
    with pytest.raises(TailorError, match="the head alone learns"):
        fit(recipe(base, "simcse", "head"), ROWS)
