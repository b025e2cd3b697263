"""Fitting: stages, then the context; seeds, the start of the head, validation, shared vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.models.run import EmbeddingCache, EmbeddingView, embed
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.head_start import probe
from tailorlm.recipes.presets import PRESETS
from tailorlm.recipes.schema import Recipe
from tiny import WIDTH, labelled

Base = Callable[..., Path]
ROWS, VALIDATION = labelled(30, 3), labelled(12, 3, start=40)
QUICK = {"epochs": 2, "rows_per_step": 6, "warmup": 0}


def recipe(base: Path, weights: Any = None, **changes: Any) -> Recipe:
    stages = [{"weights": weights, "train": QUICK}] if weights else []
    return validate({"name": "x", "base": str(base), "stages": stages} | changes, Recipe)


@pytest.mark.parametrize(
    ("name", "pooling"), [*((name, "mean") for name in PRESETS), ("nearest", "native"), ("lora", "native")]
)
def test_every_method_repeats_to_the_bit_and_scores_its_validation_rows(name: str, pooling: str, base: Base) -> None:
    made = PRESETS[name].recipe(name, str(base("bert", pooling)), {"part": "classify"})
    made = made.changed({f"stages.0.train.{key}": value for key, value in QUICK.items()} if made.stages else {})
    found = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        np.random.seed(noise)
        fitted = fit(made, ROWS, VALIDATION, seed=3)
        found.append(fitted.adaptation.scores(VALIDATION.texts))
        assert fitted.score is not None
        assert fitted.score.value == (found[-1].argmax(1) == VALIDATION.codes).mean(), "the score of what was kept"
    assert np.array_equal(*found)
    assert fitted.adaptation.labels == ROWS.labels


def test_a_row_is_shown_before_training_and_no_event_holds_its_text(base: Base) -> None:
    masked = {"weights": "lora", "objective": "masked_lm", "train": QUICK}
    made = {
        "features": recipe(base(), "features"),
        "lora": recipe(base(), "lora"),
        "text": validate(
            {"name": "x", "base": str(base()), "stages": [masked, {"weights": "lora", "train": QUICK}]}, Recipe
        ),
    }
    for name, one in made.items():
        events: list[Any] = []
        fit(one, ROWS, listen=events.append)
        told = [event for event in events if event["event"] == "preflight"]
        *before, (label, learned) = told[-1].example()
        assert ROWS.texts[0] in "".join(text for text, _ in before), name
        assert learned
        assert (label, told[-1].row, told[-1]["learned"]) == (ROWS.gold[0], ROWS.ids[0], "labels")
        assert told[-1]["learned_per_row"] == [1, 1, 1]
        assert not any(text in str(dict(event)) for event in events for text in ROWS.texts)
        if name == "text":
            hidden = [t for t, learned in told[0].example() if learned]
            assert hidden
            assert all(word in ROWS.texts[0] for word in " ".join(hidden).split())
            assert (told[0]["learned"], told[0]["ends"]) == ("tokens", None)


def test_texts_that_are_too_long_are_told_before_training(base: Base) -> None:
    events: list[Any] = []
    made = recipe(base(), "lora").changed({"task.max_length": 8})
    rows = replace(ROWS, texts=tuple(f"{text} bank money tax" for text in ROWS.texts), inputs=(), groups=())
    fitted = fit(made, rows, listen=events.append)
    kinds = [event["event"] for event in events]
    assert kinds.count("cut") == 1
    assert kinds.index("cut") < kinds.index("preflight")
    cut = events[kinds.index("cut")]
    assert fitted.cut == cut
    sizes = [len(ids) for ids in fitted.adaptation.model.tokenizer(list(rows.texts))["input_ids"]]  # type: ignore[union-attr]
    lost = [size - 8 for size in sizes if size > 8]
    assert (cut["rows"], cut["tokens"], cut["of"], cut["max_length"]) == (len(lost), sum(lost), len(rows), 8)
    assert lost
    assert fit(recipe(base(), "lora"), ROWS).cut == {}


def test_validation_rows_are_scored_by_the_metric_asked_for(base: Base) -> None:
    made, uneven = recipe(base(), "features"), VALIDATION.select([0, 1, 2, 3, 6, 9])
    fitted = fit(made, ROWS.select(range(4)), uneven, metric="macro_f1")
    predicted = fitted.adaptation.scores(uneven.texts).argmax(1)
    assert fitted.score is not None
    assert fitted.score.value == pytest.approx(f1_score(uneven.codes, predicted, average="macro", zero_division=0))
    assert fitted.score.value != (predicted == uneven.codes).mean()


@pytest.mark.parametrize("weights", ["head", "full", "lora"])
def test_another_seed_is_another_fit(weights: str, base: Base) -> None:
    made = recipe(base("bert", "native"), weights)
    one, two = (fit(made, ROWS, seed=seed).adaptation.scores(ROWS.texts) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_what_learnt_is_counted(base: Base) -> None:
    counts = {
        name: fit(recipe(base("bert", "mean"), name), ROWS).trainable for name in ("features", "head", "bias", "full")
    }
    head = 3 * WIDTH + 3
    body = fit(recipe(base("bert", "mean"), "head"), ROWS).adaptation.model.body
    without_pooler = {name: p.numel() for name, p in body.named_parameters() if "pooler" not in name}
    assert counts["features"] == counts["head"] == head
    assert counts["bias"] == head + sum(n for name, n in without_pooler.items() if name.endswith("bias"))
    assert counts["full"] == head + sum(without_pooler.values())
    shown = fit(recipe(base("bert", "mean"), context="examples"), ROWS)
    assert shown.trainable == 0
    assert shown.score is None, "no validation rows, no score"


def test_a_probe_begins_as_logistic_regression(base: Base) -> None:
    model = fit(recipe(base("bert", "mean"), "features"), ROWS).adaptation.model
    vectors = embed(model, ROWS.texts)
    head = probe(vectors, ROWS.codes, 3, dropout=0.1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    theirs = LogisticRegression(C=10.0, max_iter=2000).fit(unit, ROWS.codes)
    scale = np.linalg.norm(vectors, axis=1).mean()
    with torch.inference_mode():
        found = head.eval()(torch.from_numpy(vectors)).numpy()
    assert np.abs(found - (vectors / scale @ theirs.coef_.T + theirs.intercept_)).max() < 1e-4
    assert not head.normalise
    assert head.dropout.p == 0.1
    # a learning rate of next to nothing leaves the start: with `probe`, full tuning begins where features end
    start = fit(recipe(base("bert", "mean"), {"part": "full", "lr": 1e-12}), ROWS).adaptation.scores(ROWS.texts)
    assert np.abs(start - found).max() < 1e-4


def test_the_best_pass_is_what_predicts(base: Base) -> None:
    events: list[dict[str, Any]] = []
    made = recipe(
        base("bert", "mean"),
        {"part": "full", "lr": 0.01},
        stages=[{"weights": {"part": "full", "lr": 0.01}, "train": QUICK | {"epochs": 6}}],
    )
    fitted = fit(made, ROWS, VALIDATION, listen=events.append)
    passes = [e for e in events if e["event"] == "validation"]
    best = max(passes, key=lambda e: (e["score"], -e["loss"]))
    assert fitted.trained[0].best_epoch == best["epoch"]
    assert (fitted.score.value, fitted.score.loss) == (best["score"], best["loss"])
    again = fit(made.changed({"stages.0.train.stop_after": best["epoch"]}), ROWS)
    assert np.array_equal(again.adaptation.scores(ROWS.texts), fitted.adaptation.scores(ROWS.texts))
    scores = fitted.adaptation.scores(VALIDATION.texts)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert fitted.score.loss == pytest.approx(-logs[np.arange(12), VALIDATION.codes].mean(), abs=1e-5)


def test_validation_rows_teach_nothing(base: Base) -> None:
    """Without a pass to choose (one pass only), the validation rows leave no trace."""
    for weights in ("features", "head", "lora"):
        made = recipe(base("bert", "mean"), weights).changed({"stages.0.train.epochs": 1})
        one = fit(made, ROWS, VALIDATION).adaptation.scores(ROWS.texts)
        assert np.array_equal(one, fit(made, ROWS, labelled(12, 3, start=70)).adaptation.scores(ROWS.texts))
        assert np.array_equal(one, fit(made, ROWS).adaptation.scores(ROWS.texts))


def test_shared_vectors_change_nothing(base: Base) -> None:
    cache = EmbeddingCache()
    for weights in ("features", "head", "bias"):
        made = recipe(base("bert", "mean"), weights)
        view = EmbeddingView(cache)
        shared = fit(made, ROWS, VALIDATION, embeddings=view)
        alone = fit(made, ROWS, VALIDATION)
        assert np.allclose(shared.adaptation.scores(ROWS.texts), alone.adaptation.scores(ROWS.texts), atol=1e-6)
        assert len(view.needed) == {"features": 42, "head": 42, "bias": 30}[weights], (
            "bodies that learn have no shared vectors"
        )
    assert len(cache.arrays) == 42


@pytest.mark.parametrize(("weights", "pooling"), [("lora", "native"), ("full", "mean")])
def test_a_classifier_or_a_context_stands_on_what_was_learnt(
    weights: str, pooling: str, base: Base, tmp_path: Path
) -> None:
    folder = base("bert", pooling)
    stage = {"weights": {"part": weights, "lr": 0.01}, "train": QUICK}
    trained = fit(validate({"name": "x", "base": str(folder), "stages": [stage]}, Recipe), ROWS)
    vectors = embed(trained.adaptation.model, ROWS.texts)
    frozen = embed(fit(recipe(folder, "features"), ROWS).adaptation.model, ROWS.texts)
    assert np.abs(vectors - frozen).max() > 1e-3
    both = validate({"name": "x", "base": str(folder), "stages": [stage, {"weights": "features"}]}, Recipe)
    shown = validate(
        {"name": "x", "base": str(folder), "stages": [stage], "context": {"part": "examples", "k": 1}}, Recipe
    )
    for made in (both, shown):
        fitted = fit(made, ROWS, VALIDATION)
        scores = fitted.adaptation.scores(VALIDATION.texts)
        assert fitted.score.value == (scores.argmax(1) == VALIDATION.codes).mean(), "the score of what answers"
        folder_out = fitted.adaptation.save(tmp_path / ("both" if made is both else "shown"))
        assert np.array_equal(Adaptation.load(folder_out).scores(VALIDATION.texts), scores)
    nearest = fit(shown, ROWS).adaptation
    assert [a.label for a in nearest.predict(ROWS.texts)] == list(ROWS.gold), (
        "each train row is nearest to itself, in the space that was learnt"
    )


def test_what_the_base_cannot_do_is_told_before_any_step(base: Base) -> None:
    with pytest.raises(TailorError, match="no bias vectors"):
        fit(recipe(base("llama", "mean"), "bias"), ROWS)
    with pytest.raises(TailorError, match="9 layers asked for"):
        fit(recipe(base("bert", "mean"), {"part": "top_layers", "layers": 9}), ROWS)
    with pytest.raises(TailorError, match="there is no model"):
        fit(recipe(Path("/nothing/here"), "head"), ROWS)


@pytest.mark.starter
def test_the_starter_learns_topics_from_a_few_rows() -> None:
    rows, test = labelled(40, 5), labelled(40, 5, start=50)
    for weights in ("features", {"part": "head", "lr": 0.01}):
        made = validate({"name": "x", "stages": [{"weights": weights, "train": {"epochs": 20}}]}, Recipe)
        scores = fit(made, rows).adaptation.scores(test.texts)
        assert (scores.argmax(1) == test.codes).mean() > 0.8
