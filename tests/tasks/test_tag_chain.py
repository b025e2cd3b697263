"""`tag` with a chain of tags (`decoder: crf`): learnt by every part, kept with the head, and better where order tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagged import tagged
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.models.heads import Chain
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.weights import weights

Base = Callable[..., Path]
PARTS = [name for name in weights if name != "features"]


def recipe(base: Path, stage: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    value = {"name": "x", "base": str(base), "task": {"part": "tag", "decoder": "crf"}}
    return validate(value | ({"stages": [stage]} if stage else {}) | changes, Recipe)


def test_the_suite_found_every_trained_part() -> None:
    assert PARTS == ["head", "top_layers", "bias", "adapter", "lora", "prefix", "prompt", "ia3", "full"]


@pytest.mark.parametrize("part", PARTS)
def test_links_are_learnt_with_every_part_and_kept_with_the_head(part: str, base: Base, tmp_path: Path) -> None:
    stage = {"weights": part, "train": {"epochs": 2, "rows_per_step": 8}}
    asked = recipe(base("bert", "mean", hidden_dropout_prob=0.0), stage)
    task = asked.task.make()
    train, held = task.prepare(tagged(24), what="train"), task.prepare(tagged(8, 90), what="test")
    fitted = fit(asked, train, held)
    head = fitted.adaptation.model.head
    assert isinstance(head, Chain)
    random = asked.changed({"stages.0.weights.head_start": "random", "stages.0.train.epochs": 1})
    moved = fit(random, train, None).adaptation.model.head.links
    assert bool((moved != 0).all()), "links begin at 0 beside a random head, and each of them learns"
    assert fitted.score is not None
    assert np.isfinite(fitted.score.loss)
    rows = [dict(row.values) for row in tagged(4, 200)]
    answers = fitted.adaptation.predict(rows)
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept")
    assert torch.equal(again.model.head.links, head.links)
    assert [(one.value, one.confidence) for one in again.predict(rows)] == [
        (one.value, one.confidence) for one in answers
    ]
    assert all(0 < float(one.confidence or 0) <= 1 for one in answers)


def test_features_take_the_links_of_the_train_rows(base: Base) -> None:
    asked = recipe(base("bert", "mean"), {"weights": "features"})
    fitted = fit(asked, asked.task.make().prepare(tagged(20), what="train"), None)
    links = fitted.adaptation.model.head.links.detach()
    assert links.shape == (5, 5)
    assert (links[:, 2] <= 0).all(), "`I-food` never stands in these rows"
    assert links[3, 4] > 0 > links[0, 4], "`I-money` stands behind `B-money`, not behind `O`"


def test_order_that_words_do_not_tell_is_learnt_by_the_chain_alone(base: Base) -> None:
    """Scores that know nothing but that something begins: only the links know that a span of two words follows."""
    asked = recipe(base("bert", "mean"), {"weights": "features"})
    task = asked.task.make()
    ready = task.prepare(tagged(20), what="train")
    readings = task.read(fit(asked, ready, None).adaptation.model.tokenizer, ready.inputs, 64)
    scores = [np.zeros((size, 5)) for size in readings.sizes]
    for table in scores:
        table[0, 3] = 5.0
    links = np.zeros((5, 5))
    links[3, 4], links[4, 0], links[0, 0] = 4.0, 4.0, 3.0
    answers = task.decode(scores, readings, ready.inputs, ready.labels, links=links)
    for value, (_, words) in zip(answers.values, ready.inputs, strict=True):
        assert value == [[words[0][0], words[1][1], "money"]]


def test_what_has_no_linear_head_says_so(base: Base) -> None:
    asked = recipe(base("bert", "mean"), context="examples")
    rows = asked.task.make().prepare(tagged(12), what="train")
    with pytest.raises(TailorError, match="a chain needs a linear head"):
        fit(asked, rows)
    smooth = recipe(base("bert", "mean"), {"weights": "head", "objective": {"part": "labels", "smoothing": 0.1}})
    with pytest.raises(TailorError, match="no smoothing is defined"):
        fit(smooth, rows)
